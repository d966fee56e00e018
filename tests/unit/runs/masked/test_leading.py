"""What sites say to the coordinator of masked rounds: it takes what a step asks for, and names whoever says else."""

import pytest

from medspace.core.hashing import digest
from medspace.core.limits import KIB
from medspace.runs.errors import AnswerInvalidError, AnswersInvalidError, RunError
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from medspace.runs.masked.leading import Kinds, MaskedProcedure
from medspace.runs.masked.site import AGREED_TO, CONTRIBUTED, ENDED, OPENED, SHARED
from medspace.runs.model import Seat
from medspace.runs.ports import Answer, Demands, Question
from medspace.runs.tallying import RoundQuestions, Tallying
from tests.masked import Coordinated, Toy, at, names

SITES = names(4)
DIGEST = "sha256:" + "0" * 64
PROCEDURE = MaskedProcedure(Toy(), Kinds("toy.progress", "toy.model"), {"task": "toy"}, Demands(), (), None)
KIND = {"share": SHARED, "contribute": CONTRIBUTED, "agree": AGREED_TO, "open": OPENED, "result": "toy.model"}


def state(step):
    return PROCEDURE.first() | {"next": step, "proposer": SITES[0]}


def taken(step, values, kind=None, procedure=PROCEDURE):
    """What the first site says to a step goes through the tally, as in a run."""
    number, at_first = 7, state(step)
    questions = procedure.questions(at_first, number)
    gathering = procedure.gathering(at_first, number)
    asked = RoundQuestions(questions, tuple(Seat(site, f"urn:agreement:{site}") for site in SITES))
    tallying = Tallying(procedure.demands, number, asked, gathering, dict.fromkeys(SITES, "urn:use"))
    kind = kind or KIND.get(step, "toy.progress")
    answer = Answer(SITES[0], "urn:release", number, kind, values, 80, DIGEST)
    return tallying.take(asked.seats[0], answer), tallying, gathering


OUTCOME = {"model": {"about": "1", "persons": 4}, "objectives": ["1.0"], "took": [SITES]}
RESULT = {"outcome": OUTCOME, "digest": digest(OUTCOME), "signed": "x", "own": {}}
PROGRESS = {"question": 1, "next": "contribute", "objective": "1.5", "sites": 4}


@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("share", {"sent": 3}),
        ("contribute", {"signed": "x"}),
        ("agree", {"signed": "x"}),
        ("open", {"proposer": SITES[1]}),
        ("propose", PROGRESS),
        ("propose", PROGRESS | {"objective": ""}),
        ("result", RESULT),
    ],
)
def test_what_a_step_asks_for_is_taken(step, values):
    took, tallying, _ = taken(step, values)
    assert (took, tallying.faults) == (True, [])


@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("share", {}),
        ("contribute", {}),
        ("contribute", {"signed": 1}),
        ("contribute", {"signed": "x" * (256 * KIB + 1)}),
        ("agree", {"signed": None}),
        ("open", {"proposer": ["a"]}),
        ("propose", {}),
        ("propose", PROGRESS | {"objective": "much"}),
        ("propose", PROGRESS | {"objective": "nan"}),
        ("propose", PROGRESS | {"objective": "1e999"}),
        ("propose", PROGRESS | {"objective": 1}),
        ("propose", PROGRESS | {"next": "share"}),
        ("result", {}),
        ("result", RESULT | {"outcome": []}),
        ("result", RESULT | {"outcome": OUTCOME | {"model": "a"}}),
        ("result", RESULT | {"outcome": OUTCOME | {"model": {"about": 0.5}}}),
        ("result", RESULT | {"outcome": OUTCOME | {"model": {"about": "2", "persons": 4}}}),
        ("result", RESULT | {"own": "good"}),
    ],
)
def test_whatever_else_a_site_says_is_its_own_fault_and_ends_nothing_else(step, values):
    took, tallying, gathering = taken(step, values)
    assert (took, gathering.said) == (False, {})
    assert [fault.site for fault in tallying.faults] == [SITES[0]]
    assert tallying.faults[0].code == AnswerInvalidError.code


def ended(values, kind=ENDED):
    took, tallying, gathering = taken("propose", values, kind)
    assert took, tallying.faults
    with pytest.raises(RunError) as raised:
        gathering.state(lost=False)
    assert str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("code", "facts", "error"),
    [
        ("masked.total_invalid", {"round": 3}, TotalInvalidError),
        ("masked.total_invalid", {}, TotalInvalidError),
        ("masked.proposal_invalid", {"round": 3, "unheard": 4}, ProposalInvalidError),
        ("masked.proposal_invalid", {}, ProposalInvalidError),
        ("run.of_the_future", {}, AnswersInvalidError),
    ],
)
def test_a_total_that_leads_nowhere_reaches_the_user_in_the_words_of_the_error(code, facts, error):
    assert isinstance(ended({"question": 1, "code": code, "facts": facts}), error)


@pytest.mark.parametrize(
    "values",
    [{}, {"code": 1, "facts": {}}, {"code": "a"}, {"code": "a", "facts": []}, {"code": "a", "facts": {"a": "b"}}],
)
def test_an_end_of_no_form_is_a_fault(values):
    took, tallying, _ = taken("propose", values, ENDED)
    assert (took, len(tallying.faults)) == (False, 1)


@pytest.mark.parametrize("step", ["share", "contribute", "agree", "open", "result"])
def test_no_other_step_ends_a_run(step):
    took, tallying, _ = taken(step, {"question": 1, "code": "a", "facts": {}}, ENDED)
    assert (took, [fault.site for fault in tallying.faults]) == (False, [SITES[0]])


def test_an_outcome_that_differs_ends_the_run():
    table = at("result", 3)
    gathering = table.procedure.gathering(table.state, 1)
    for site, number in zip(SITES, (1, 1, 1, 2), strict=True):
        outcome = OUTCOME | {"model": {"about": str(number), "persons": 4}}
        values = {"outcome": outcome, "digest": digest(outcome), "signed": "x", "own": {}}
        gathering.add(Answer(site, "urn:r", 1, "toy.model", values, 4, DIGEST), 1)
    with pytest.raises(AnswersInvalidError):
        gathering.state(lost=False)


def test_another_site_that_has_opened_proposes_in_the_place_of_one_that_is_gone():
    table = at("propose")
    due, others = table.state["proposer"], []
    for _ in SITES[1:]:
        table.state = PROCEDURE.gathering(table.state, 1).state(lost=True)
        others.append(table.state["proposer"])
    assert others == [site for site in SITES if site != due]
    with pytest.raises(AnswersInvalidError):
        PROCEDURE.gathering(table.state, 1).state(lost=True)


def test_a_round_that_nobody_is_left_to_be_asked_in_has_its_name_all_the_same():
    assert RoundQuestions({SITES[0]: Question("propose", "toy.progress")}, ()).step == "propose"
    assert RoundQuestions(Question("open", "masked.opening"), ()).step == "open"


def test_a_run_whose_proposer_is_gone_says_so():
    with pytest.raises(AnswersInvalidError):
        PROCEDURE.gathering(state("propose"), 1).state(lost=True)


def test_a_run_that_is_not_done_has_no_result():
    with pytest.raises(RunError):
        Coordinated(at("agree").sites).procedure.result(PROCEDURE.first())
