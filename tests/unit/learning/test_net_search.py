"""Hyper-parameters searched inside a run: which trial trains when, what is chosen, and what the model says of it."""

import msgspec
import pytest

from medspace.core.usage import Brakes
from medspace.learning.errors import StepInvalidError
from medspace.learning.net.description import describe
from medspace.learning.net.errors import UnvalidatedError
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.model import NetFitted
from medspace.learning.net.searching import Search
from medspace.learning.net.task import parse
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.ports import TaskQuestion
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.nets import made, task
from tests.unit.learning.survivals import split

WIDE = ("x0", "x1", "x2")
RATES = [0.000001, 0.5, 0.1, 0.0001]
SEARCHED = {"search": {"rate": RATES, "rounds": 2}, "validation": 0.3, "max_rounds": 18, "layers": [4]}


def run_of(document, tables, **more):
    return MaskedRun(document, tables, tasks=MaskedNets(), **more)


def same(found, other):
    """Numbers as exact text, of rows that were added up in another order."""
    return [float(one) for one in found] == pytest.approx([float(one) for one in other], rel=1e-12)


def finished(document, tables):
    run = run_of(document, tables)
    return run, run.fitted()


@pytest.fixture(scope="module")
def tables():
    return split(made(600, 1), 3)


@pytest.fixture(scope="module")
def searched(tables):
    return finished(task(WIDE, **SEARCHED), tables)


def test_all_trials_train_by_turns_and_the_better_half_goes_on(searched):
    run, result = searched
    trials = [run.summed.asked(state).inputs["trial"] for state in run.states[1:-2]]
    assert trials[:8] == [0, 0, 1, 1, 2, 2, 3, 3]
    kept = sorted({*trials[8:12]})
    assert trials[8:12] == [kept[0], kept[0], kept[1], kept[1]]
    fitted = msgspec.convert(result.content, NetFitted)
    best = [float(one.loss) for one in fitted.trials]
    chosen = next(place for place, one in enumerate(fitted.trials) if one.chosen)
    assert set(trials[12:]) == {chosen}
    assert kept == sorted(sorted(range(4), key=lambda one: best[one])[:2])  # no trial that fell out was better
    assert chosen in (1, 2)
    assert sum(one.rounds for one in fitted.trials) == 16
    assert [one.values["rate"] for one in fitted.trials] == [repr(one) for one in RATES]


def test_the_trial_that_is_chosen_trains_as_it_would_have_alone(searched, tables):
    """But for the order of its mini-batches, which follows from the number of the question: here is one batch."""
    document = task(WIDE, **SEARCHED | {"batch": 0})
    run = run_of(document, tables, brakes=Brakes(rounding=False))
    fitted = msgspec.convert(run.fitted().content, NetFitted)
    chosen = next(one for one in fitted.trials if one.chosen)
    alone = dict(document, rate=chosen.values["rate"], max_rounds=chosen.rounds + 2)
    del alone["search"]
    other = msgspec.convert(run_of(alone, tables, brakes=Brakes(rounding=False)).fitted().content, NetFitted)
    assert same(fitted.losses, other.losses)
    assert same(fitted.checked, other.checked)
    assert same(fitted.weights, other.weights)
    assert (fitted.best_round, other.trials) == (other.best_round, ())


@pytest.mark.parametrize("strategy", ["scaffold", "fedadam"])
def test_each_trial_keeps_what_its_strategy_remembers(strategy, tables):
    document = task(WIDE, **SEARCHED | {"batch": 0, "strategy": strategy})
    run = run_of(document, tables, brakes=Brakes(rounding=False))
    fitted = msgspec.convert(run.fitted().content, NetFitted)
    chosen = next(one for one in fitted.trials if one.chosen)
    alone = dict(document, rate=chosen.values["rate"], max_rounds=chosen.rounds + 2)
    del alone["search"]
    other = msgspec.convert(run_of(alone, tables, brakes=Brakes(rounding=False)).fitted().content, NetFitted)
    assert same(fitted.losses, other.losses)


def test_patients_held_out_are_looked_at_once_at_the_end(tables):
    document = task(WIDE, **SEARCHED | {"evaluation": {"holdout": 0.2}, "validation": 0.2})
    run, result = finished(document, tables)
    asked = [run.summed.asked(state).name for state in run.states[:-1]]
    assert asked.count("evaluation") == 1
    assert asked[-1] == "evaluation"
    assert result.content["measured_on"] == "held-out rows"


def test_where_nobody_can_set_patients_apart_nothing_is_chosen():
    document = task(WIDE, **SEARCHED | {"validation": 0.1, "layers": []})
    run = MaskedRun(document, {"did:web:a": made(120, 3)}, 10, tasks=MaskedNets())
    with pytest.raises(UnvalidatedError):
        run.outcome()


def test_the_model_says_what_was_tried(searched):
    shown = describe(searched[1], {})
    table = next(one for one in shown.tables if one.title is not None and str(one.title) == "Search")
    assert len(table.rows) == 4
    assert [bool(row[-1]) for row in table.rows].count(True) == 1
    assert any("4 combinations" in str(one) and "16 rounds" in str(one) for one in shown.sentences)
    assert len(shown.facts["trials"]) == 4


def test_a_question_about_a_trial_that_is_none(tables):
    run = run_of(task(WIDE, **SEARCHED), tables)
    stand = run.step(again(run.summed.first()))
    asked = run.travelled(stand)
    with pytest.raises(StepInvalidError):
        run.tasks.summing.sums(
            run.admitted("did:web:site0"),
            run.document,
            TaskQuestion(asked.name, {**asked.inputs, "trial": 4}),
            run.summed.shape(stand),
            run.material("did:web:site0"),
            2,
        )


def test_questions_and_states_without_a_search_say_nothing_of_one(tables):
    run = run_of(task(WIDE), tables)
    stand = run.step(again(run.summed.first()))
    assert "trial" not in run.travelled(stand).inputs
    assert not {"trials", "trial", "stage"} & stand.keys()
    assert "trials" not in run_of(task(WIDE), tables).outcome()


def test_what_a_search_takes():
    search = Search(rates=(0.1, 0.2), l2=(0.0, 0.1, 1.0), rounds=3)
    assert (len(search.trials), search.cost) == (6, 3 * (6 + 3 + 2))
    document = parse(task(WIDE, search={"rate": [0.1, 0.2], "l2": [0]}, validation=0.2, max_rounds=20)).document()
    assert document["search"] == {"rate": ["0.1", "0.2"], "l2": ["0.0"], "rounds": 4}
    assert parse(document).document() == document


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"rate": [0.1]}}, "2 to 16"),
        ({"search": {"rate": [0.1] * 2}}, "twice"),
        ({"search": {"rate": [0.1, 0.2], "l2": [0, 1, 2, 3, 4, 5, 6, 7, 8]}}, "2 to 16"),
        ({"validation": 0}, "needs validation"),
        ({"schedule": "steps"}, "schedule constant"),
        ({"max_rounds": 14}, "max_rounds must be 15"),
        ({"layers": [1000]}, "weights together"),
    ],
)
def test_searches_that_cannot_be(changes, said):
    with pytest.raises(TaskInvalidError, match=said):
        parse(task(WIDE, **SEARCHED | changes))
