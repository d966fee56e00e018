"""Outcomes that nothing can be learned from: each kind of task ends with a sentence, not a crash.

A hospital without an outcome, with one class, with labels that the task does not know; a class that most lack.
"""

import numpy as np
import pytest

from medspace.core.columns import ColumnUnknownError
from medspace.core.usage import Brakes
from medspace.learning.cox.errors import NoEventError
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.glm.errors import LevelUnknownError, NothingLeftError, OneClassError, TargetInvalidError
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.net.masked import MaskedNets
from medspace.privacy.errors import DisclosureError
from tests.unit.learning import nets, survivals
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.simulated import SimulatedSites, coordinator, dictionary_of, seats

KINDS = {"glm": MaskedGlms, "net": MaskedNets, "cox": MaskedCoxes}
OUTCOME = {"glm": "sick", "net": "sick", "cox": "event"}
NOTHING = {"glm": OneClassError, "net": OneClassError, "cox": NoEventError}
OPEN = Brakes(outcomes=False)
FIRST = "did:web:site0"


def tables(kind, sites=3, rows=90):
    """Hospitals alike."""
    made = survivals.made if kind == "cox" else nets.made
    return {f"did:web:site{at}": made(rows, at) for at in range(sites)}


def task(kind, **changes):
    features = ("x0", "x1", "x2")
    if kind == "cox":
        return survivals.task(features, event="event > 0") | changes
    own = {"rate": 0.1, "max_rounds": 5} if kind == "net" else {"family": "binomial", "l2": 1.0, "max_rounds": 25}
    return nets.task(features, task=kind, protection="masked-sums", **own) | changes


def run_of(kind, found, least=5, **changes):
    return MaskedRun(task(kind, **changes), found, least, tasks=KINDS[kind]())


def with_outcome(kind, found, site, values):
    """The tables, with other outcomes at one site."""
    column = OUTCOME[kind]
    return found | {site: found[site] | {column: values(np.array(found[site][column])).tolist()}}


def says_what_to_do(error):
    assert str(error.value.text)
    assert str(error.value.advice)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_outcome_at_one_hospital_is_withheld_by_it_and_harmless_without_that_brake(kind, value):
    found = with_outcome(kind, tables(kind), FIRST, lambda own: np.full(len(own), value))
    with pytest.raises(DisclosureError) as refusal:
        run_of(kind, found).outcome()
    says_what_to_do(refusal)
    run = run_of(kind, found)
    run.brakes = OPEN
    if kind == "cox" and not value:  # nobody carries anything of a sum over events
        with pytest.raises(DisclosureError):
            run.outcome()
        return
    result = run.fitted()
    assert (result.rows, len(result.sites)) == (270, 3)


@pytest.mark.parametrize("kind", list(KINDS))
def test_no_hospital_has_seen_the_outcome(kind):
    found = tables(kind)
    for site in found:
        found = with_outcome(kind, found, site, np.zeros_like)
    run = run_of(kind, found)
    run.brakes = OPEN
    with pytest.raises(NOTHING[kind]) as refusal:
        run.outcome()
    says_what_to_do(refusal)


@pytest.mark.parametrize("kind", ["glm", "net"])
def test_every_patient_has_the_outcome(kind):
    found = tables(kind)
    for site in found:
        found = with_outcome(kind, found, site, np.ones_like)
    run = run_of(kind, found)
    run.brakes = OPEN
    with pytest.raises(OneClassError):
        run.outcome()


async def test_without_masks_the_run_ends_with_the_same_sentence():
    found = {site: table | {"sick": [0.0] * 90} for site, table in tables("glm").items()}
    document = task("glm", protection="coordinator-sees-sums")
    run = await coordinator(SimulatedSites(found, brakes=OPEN)).train(document, seats(found))
    assert run.failure.code == OneClassError.code


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_hospital_whose_table_has_no_such_column(kind):
    found = tables(kind)
    run = run_of(kind, found)
    lacking = {name: values for name, values in found[FIRST].items() if name != OUTCOME[kind]}
    run.tables = {FIRST: lacking, **{site: table for site, table in found.items() if site != FIRST}}
    run.described = dictionary_of(lacking)
    with pytest.raises(ColumnUnknownError) as refusal:
        run.outcome()
    says_what_to_do(refusal)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_hospital_that_knows_nobodys_outcome(kind):
    found = with_outcome(kind, tables(kind), FIRST, lambda own: np.full(len(own), np.nan))
    with pytest.raises(DisclosureError):
        run_of(kind, found).outcome()
    with pytest.raises(NothingLeftError) as refusal:
        run_of(kind, found, 1).outcome()
    says_what_to_do(refusal)


@pytest.mark.parametrize("kind", list(KINDS))
def test_labels_out_of_range_of_a_yes_or_no(kind):
    found = with_outcome(kind, tables(kind), FIRST, lambda own: own * 7.0)
    changes = {"event": "event"} if kind == "cox" else {"target": "sick"}
    with pytest.raises(TargetInvalidError) as refusal:
        run_of(kind, found, **changes).outcome()
    says_what_to_do(refusal)


def test_a_class_that_the_task_does_not_know():
    found = {f"did:web:site{at}": nets.graded(120, at) for at in range(3)}
    found[FIRST]["grade"] = ["unheard of" if at < 20 else one for at, one in enumerate(found[FIRST]["grade"])]
    document = nets.task(("x0", "x1"), target="grade", classes=list(nets.GRADES))
    with pytest.raises(LevelUnknownError) as refusal:
        MaskedRun(document, found, 5, tasks=MaskedNets()).outcome()
    says_what_to_do(refusal)


def test_a_level_that_no_dictionary_has():
    found = {f"did:web:site{at}": nets.graded(120, at) for at in range(3)}
    document = task("glm", target={"column": "grade", "level": "worse"})
    with pytest.raises(LevelUnknownError):
        MaskedRun(document, found, 5).outcome()


@pytest.mark.parametrize("ordinal", [False, True])
def test_a_class_that_most_hospitals_lack(ordinal):
    found = {f"did:web:site{at}": nets.graded(150, at) for at in range(4)}
    for site in list(found)[1:]:
        found[site]["grade"] = ["mild" if one == "severe" else one for one in found[site]["grade"]]
    document = nets.task(("x0", "x1"), target="grade", classes=list(nets.GRADES), ordinal=ordinal, max_rounds=5)
    run = MaskedRun(document, found, 5, tasks=MaskedNets())
    outcome = run.outcome()
    assert run.summed.result(outcome, tuple(found), {}).rows == 600
    assert (outcome["graded"]["rows"], outcome["graded"]["auc"] is not None) == (600, True)
    few = found | {FIRST: nets.graded(150, 0)}
    grades = [one if one != "severe" else "mild" for one in few[FIRST]["grade"]]
    few[FIRST]["grade"] = ["severe", "severe", *grades[2:]]  # fewer than the smallest cohort, but some
    with pytest.raises(DisclosureError):
        MaskedRun(document, few, 5, tasks=MaskedNets()).outcome()


def test_an_outcome_that_is_missing_for_a_part():
    """Rows without it are left out, at a hospital that has it for enough patients."""
    found = with_outcome("glm", tables("glm"), FIRST, lambda own: np.where(np.arange(len(own)) < 30, np.nan, own))
    assert run_of("glm", found).fitted().rows == 240
