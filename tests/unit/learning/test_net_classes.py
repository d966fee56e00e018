"""Nets for several classes: learned, judged by counts that equal those of the pooled rows, and refused."""

import msgspec
import numpy as np
import pytest

from medspace.learning.exact import FRACTION
from medspace.learning.glm.errors import LevelUnknownError
from medspace.learning.net.classes import FINE, class_quality, class_shape, class_sums, class_total
from medspace.learning.net.description import describe
from medspace.learning.net.heads import OutputHead
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.model import NetFitted
from medspace.learning.net.network import Perceptron
from medspace.learning.net.task import parse
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.errors import TotalInvalidError
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.nets import GRADES, graded, task
from tests.unit.learning.survivals import split

WIDE = ("x0", "x1", "x2")
KINDS = pytest.mark.parametrize("kind", ["classes", "ordinal"])


def graded_task(kind, **changes):
    return task(WIDE, target="grade", classes=list(GRADES), ordinal=kind == "ordinal", rate=0.2, **changes)


def run_of(document, tables, least=1):
    return MaskedRun(document, tables, least, tasks=MaskedNets())


def content(result):
    return msgspec.convert(result.content, NetFitted)


def pooled_chances(fitted, tables, kind):
    columns = np.column_stack([np.concatenate([table[name] for table in tables.values()]) for name in WIDE])
    labels = np.array([GRADES.index(one) for table in tables.values() for one in table["grade"]])
    network = Perceptron(fitted.widths, "relu", OutputHead(kind, len(GRADES)))
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    weights = np.array([float(weight) for weight in fitted.weights])
    return network.head.chances(network.logits(weights, scaled)), labels


def area(score, has):
    """Of all pairs, ties half: the definition."""
    return ((score[has][:, None] > score[~has]) + 0.5 * (score[has][:, None] == score[~has])).mean()


@KINDS
def test_the_quality_is_that_of_the_pooled_rows(kind):
    tables = split(graded(400, 3), 4)
    result = run_of(graded_task(kind, layers=[6], max_rounds=32), tables).fitted()
    found = content(result)
    chances, labels = pooled_chances(found, tables, kind)
    quality, likely = found.graded, chances.argmax(axis=1)
    assert quality.accuracy == pytest.approx((likely == labels).mean(), abs=1e-12)
    has = labels[:, None] == np.arange(3)
    assert quality.brier == pytest.approx(np.square(chances - has).sum(axis=1).mean(), abs=1e-9)
    assert quality.loss == pytest.approx(-np.log(chances[np.arange(400), labels]).mean(), abs=1e-9)
    areas = np.mean([area(chances[:, k], has[:, k]) for k in range(3)])
    assert abs(quality.auc - areas) <= quality.auc_resolution < 0.01
    table = np.array([[((labels == j) & (likely == k)).sum() for k in range(3)] for j in range(3)])
    weights = (np.arange(3)[:, None] - np.arange(3)) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / 400
    assert quality.kappa == pytest.approx(1 - (weights * table).sum() / (weights * chance).sum(), abs=1e-12)
    assert quality.accuracy > 0.6
    assert (result.rows, quality.persons, found.pooled, found.classes) == (400, 400, None, GRADES)


@KINDS
def test_a_class_that_is_missing_at_most_sites_is_learned_all_the_same(kind):
    tables = split(graded(900, 5), 3)
    for site in list(tables)[1:]:
        kept = [at for at, grade in enumerate(tables[site]["grade"]) if grade != "severe"]
        tables[site] = {name: [values[at] for at in kept] for name, values in tables[site].items()}
    found = content(run_of(graded_task(kind, max_rounds=22), tables, 5).fitted())
    chances, labels = pooled_chances(found, tables, kind)
    assert chances[labels == 2, 2].mean() > chances[labels == 0, 2].mean() + 0.1


def test_a_class_that_few_patients_of_a_site_have_keeps_it_from_answering():
    table = graded(200, 6)
    table["grade"] = ["mild" if grade == "severe" else grade for grade in table["grade"]]
    table["grade"][:2] = ["severe", "severe"]
    with pytest.raises(DisclosureError):
        run_of(graded_task("classes"), {"did:web:a": table}, 5).fitted()
    assert run_of(graded_task("classes"), {"did:web:a": table}).fitted().rows == 200


def test_labels_out_of_range_are_refused_by_the_dictionary():
    with pytest.raises(LevelUnknownError):
        run_of(graded_task("classes"), {"did:web:a": graded(100, 7, grades=("none", "mild", "severe", "?"))}).fitted()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ["none", "mild"]}, "three or more"),
        ({"classes": ["none", "mild", "mild"]}, "three or more"),
        ({"classes": [str(k) for k in range(21)]}, "classes"),
        ({"target": {"column": "grade", "level": "mild"}}, "three or more"),
        ({"classes": [], "ordinal": True, "target": "sick"}, "ordinal"),
        ({"class_weights": "balanced"}, "yes/no"),
    ],
)
def test_a_task_that_is_none_says_which_field(changes, words):
    with pytest.raises(TaskInvalidError, match=words):
        parse(graded_task("classes") | changes)


def test_a_task_survives_its_canonical_form():
    read = parse(graded_task("ordinal", layers=[3]))
    assert parse(again(read.document())) == read
    assert (read.head.outputs, parse(graded_task("classes")).head.outputs) == (2, 3)


def test_totals_that_cannot_be_right():
    run = run_of(graded_task("classes", max_rounds=3), {"did:web:a": graded(100, 8)})
    run.outcome()
    state, total = run.states[2], run.totals[2]
    one, confusion = 1 << FRACTION, 4
    for place, change in (
        (0, one),
        (1, one),
        (2, -400 * one),
        (confusion, one),
        (13, one),
        (13 + 3 * FINE, one),
        (-11, 200 * one),
    ):
        wrong = [*total]
        wrong[place] += change
        with pytest.raises(TotalInvalidError):
            run.summed.check(state, wrong, 1)


def test_one_class_has_neither_an_area_nor_a_kappa():
    sums = class_sums(np.array([[0.8, 0.1, 0.1]] * 4), np.zeros(4), np.ones(4), 4)
    found = class_quality(class_total(3, sums), 3)
    assert (found.accuracy, found.kappa, found.auc) == (1.0, None, None)
    assert found.ece == pytest.approx(0.2)
    assert class_shape(3, 4).holds(sums)


def test_people_are_told_what_it_tells_apart():
    told = describe(run_of(graded_task("ordinal"), split(graded(300, 9), 2)).fitted(), {})
    assert "none, mild, severe" in " ".join(map(str, told.sentences))
    assert len(told.quality.rows) == 1
    assert told.facts["quality"]["pooled"]["accuracy"] > 0.4
    assert told.facts["classes"] == list(GRADES)
