"""A column that tells the outcome: its holder is told, and nobody else."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from medspace.core.usage import Step
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.glm.description import DOUBTED, describe
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.task import parse
from medspace.learning.net.masked import MaskedNets
from tests.admissions import admission
from tests.unit.learning import nets, survivals
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.simulated import TableSource, dictionary_of
from tests.workplaces import workplace

SITE = "did:web:a"
KINDS = {"glm": MaskedGlms, "net": MaskedNets, "cox": MaskedCoxes}


def rows(count=300, seed=1):
    """Some outcome, with a number, a code and a flag that have little to do with it."""
    source = np.random.default_rng(seed)
    age = source.normal(60.0, 10.0, count)
    sick = source.random(count) < 1.0 / (1.0 + np.exp((60.0 - age) / 20.0))
    return {
        "age": age.tolist(),
        "ward": np.array(["east", "north", "west"])[source.integers(0, 3, count)].tolist(),
        "flag": source.integers(0, 2, count).astype(float).tolist(),
        "dose": source.exponential(2.0, count).tolist(),
        "sick": sick.astype(float).tolist(),
    }


def glm(**changes):
    features = [{"name": name} for name in ("age", "flag", "dose")]
    features.append({"name": "ward", "kind": "coded", "levels": ["east", "north", "west"]})
    said = {"family": "binomial", "target": "sick > 0", "features": features, "purpose": "research"}
    return said | {"protection": "masked-sums"} | changes


def told(table, document, least=5):
    """The notes of the first question."""
    run = MaskedRun(document, {SITE: table}, least=least, tasks=KINDS[document.get("task", "glm")]())
    state = again(run.summed.first())
    asking = run.travelled(state), run.summed.shape(state), run.material(SITE), 1
    numbers, persons, notes = run.tasks.summing.told_sums(run.admitted(SITE), run.document, *asking)
    assert (numbers, persons) == run.tasks.summing.sums(run.admitted(SITE), run.document, *asking)
    return {(note.told.value, note.about): (note.count, note.of) for note in notes}


def sick_of(table):
    return np.array(table["sick"]) > 0.0


def test_columns_that_have_to_do_with_an_outcome_are_not_warned_of():
    assert told(rows(), glm()) == {}


def with_copy(table):
    return table | {"flag": table["sick"]}


def with_opposite(table):
    return table | {"flag": [1.0 - one for one in table["sick"]]}


def with_code(table):
    return table | {"ward": np.where(sick_of(table), "west", "east").tolist()}


def with_threshold(table):
    return table | {"dose": (np.where(sick_of(table), 10.0, 0.0) + np.array(table["dose"]) / 5.0).tolist()}


def with_gaps(table):
    return table | {"dose": np.where(sick_of(table), table["dose"], np.nan).tolist()}


@pytest.mark.parametrize(
    ("leaking", "expected"),
    [
        (with_copy, ("tells", "flag")),
        (with_opposite, ("tells", "flag")),
        (with_code, ("tells", "ward")),
        (with_threshold, ("tells", "dose")),
        (with_gaps, ("gaps", "dose")),
    ],
)
@pytest.mark.parametrize("kind", ["glm", "net"])
def test_a_column_that_tells_yes_from_no(leaking, expected, kind):
    own = {"protection": "masked-sums"}
    document = glm(**own) if kind == "glm" else {k: v for k, v in glm(task="net", **own).items() if k != "family"}
    assert told(leaking(rows()), document) == {expected: (300, 300)}


def test_nearly_is_enough_and_often_is_not():
    table = with_copy(rows(1000))
    rarer = int(min(sick_of(table).sum(), 1000 - sick_of(table).sum()))
    for wrong, warned in ((rarer // 60, True), (rarer // 20, False)):
        flag = [1.0 - one if at < wrong else one for at, one in enumerate(table["flag"])]
        expected = {("tells", "flag"): (1000 - wrong, 1000)} if warned else {}
        assert told(table | {"flag": flag}, glm()) == expected


def test_a_rare_outcome_is_not_told_by_saying_no():
    table = rows(1000) | {"sick": [1.0 if at < 12 else 0.0 for at in range(1000)]}
    assert told(table, glm()) == {}
    assert told(table | {"flag": table["sick"]}, glm()) == {("tells", "flag"): (1000, 1000)}
    few = table | {"sick": [1.0 if at < 6 else 0.0 for at in range(1000)]}
    assert told(few | {"flag": few["sick"]}, glm()) == {}  # of so few it may be chance


def test_a_number_that_is_another_one_in_other_units():
    source = np.random.default_rng(3)
    pressure = source.normal(120.0, 15.0, 400)
    table = rows(400) | {"kpa": (pressure * 0.133 + 1.0).tolist(), "mmhg": pressure.tolist()}
    features = [{"name": name} for name in ("age", "kpa")]
    document = glm(family="gaussian", target="mmhg", features=features)
    assert told(table, document) == {("tells", "kpa"): (400, 400)}
    rough = table | {"kpa": (pressure * 0.133 + source.normal(0.0, 0.5, 400)).tolist()}
    assert told(rough, document) == {}


def test_a_class_that_stands_in_another_column():
    table = nets.graded(300, 2)
    place = {name: float(at) for at, name in enumerate(nets.GRADES)}
    document = nets.task(("x0", "x1", "x2"), target="grade", classes=list(nets.GRADES))
    assert told(table, document) == {}
    assert told(table | {"x2": [place[one] for one in table["grade"]]}, document) == {("tells", "x2"): (300, 300)}


def test_survival_has_two_outcomes():
    table = survivals.made(300, 2)
    document = survivals.task(("x0", "x1", "x2"))
    assert told(table, document) == {}
    copied = table | {"x1": table["event"], "x2": (np.array(table["time"]) / 365.0).tolist()}
    assert told(copied, document) == {("tells", "x1"): (300, 300), ("tells", "x2"): (300, 300)}


def test_nothing_of_it_is_in_what_leaves():
    """Sums without masks: they are what a table without the warning gives, and the note stands apart from them."""
    table = with_copy(rows())
    document = parse(glm(protection="coordinator-sees-sums")).document()
    allowed = admission(min_cohort=5, asset=SITE)

    class Sites:
        def open(self, admitted):
            return TableSource(table, dictionary_of(table)).open(admitted)

    made = GlmEngine().answer(allowed, Step(document, 1, "moments", {}), workplace(Sites(), allowed))
    assert [(note.told.value, note.about) for note in made.notes] == [("tells", "flag")]
    assert "tells" not in json.dumps(msgspec.to_builtins(made.values))
    assert replace(made, notes=()).values == made.values


def test_who_has_the_model_is_told_that_it_is_too_good():
    table = rows(600)
    noisy = np.random.default_rng(5).normal(0.0, 0.5, 600)
    table |= {"dose": (sick_of(table) * 2.0 + noisy).tolist()}
    for document, doubted in ((glm(l2=10.0), True), (glm(l2=10.0, features=[{"name": "age"}]), False)):
        run = MaskedRun(document, {SITE: table}, least=5)
        said = describe(run.fitted(), {}).sentences
        assert (DOUBTED in [one.msgid for one in said]) is doubted
