"""Nets under masks: what the sites come to together, against what one party with all rows would come to."""

import math
import re
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
import statsmodels.api as sm

from medspace.core.engine import MASKED_SUMS
from medspace.core.usage import Brakes, Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.exact import FRACTION
from medspace.learning.glm.errors import OneClassError, SingularError
from medspace.learning.kinds import summed
from medspace.learning.net.description import describe
from medspace.learning.net.engine import NetEngine
from medspace.learning.net.errors import DivergedError, LocallyDivergedError
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.model import NetFitted
from medspace.learning.net.network import Perceptron
from medspace.learning.net.service import NetAlgorithm
from medspace.learning.net.task import parse
from medspace.policy.outputs import WORDS
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import RunError, TaskInvalidError
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.nets import made, task
from tests.unit.learning.survivals import split

WIDE = ("x0", "x1", "x2")
EXACT = Brakes(rounding=False)
ADAPTIVE = {"fedadam": 0.1, "fedyogi": 0.1, "fedadagrad": 0.1}


def run_of(document, tables, least=1, **more):
    return MaskedRun(document, tables, least, tasks=MaskedNets(), **more)


def content(result):
    return msgspec.convert(result.content, NetFitted)


def weights_of(fitted):
    return np.array([float(weight) for weight in fitted.weights])


def pooled(tables):
    """All rows, scaled as the federation scales them, and the target."""
    columns = np.column_stack([np.concatenate([table[name] for table in tables.values()]) for name in WIDE])
    target = np.concatenate([table["sick"] for table in tables.values()])
    return (columns - columns.mean(axis=0)) / columns.std(axis=0), target


def test_one_full_step_at_each_site_is_gradient_descent_on_all_rows():
    tables = split(made(400, 1), 4)
    document = task(WIDE, batch=0, rate=0.5, l2=0.01, max_rounds=22, clip=100.0)
    found = content(run_of(document, tables, brakes=EXACT).fitted())
    columns, target = pooled(tables)
    design, weights = np.column_stack([columns, np.ones(len(target))]), Perceptron((3, 1)).first(0)
    shrunk = np.array([1.0, 1.0, 1.0, 0.0])
    for _ in range(20):
        slope = design.T @ (1 / (1 + np.exp(-design @ weights)) - target) / len(target)
        weights = weights - 0.5 * (slope + 0.01 * shrunk * weights)
    assert weights_of(found) == pytest.approx(weights, abs=1e-12)


def test_a_linear_net_comes_to_the_maximum_likelihood():
    tables = split(made(400, 2), 3)
    found = content(run_of(task(WIDE, batch=0, rate=4.0, max_rounds=100, clip=100.0), tables, brakes=EXACT).fitted())
    columns, target = pooled(tables)
    oracle = sm.Logit(target, np.column_stack([columns, np.ones(len(target))])).fit(disp=0)
    assert weights_of(found) == pytest.approx(oracle.params, abs=1e-5)
    assert float(found.losses[-1]) == pytest.approx(-oracle.llf / len(target), abs=1e-9)
    assert found.persons == found.pooled.persons == 400


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "fedadam", "fedyogi", "fedadagrad", "scaffold"])
def test_every_strategy_learns_what_no_linear_model_can(strategy):
    tables, own = split(made(1200, 3), 4), {"server_rate": ADAPTIVE[strategy]} if strategy in ADAPTIVE else {}
    document = task(WIDE, layers=[8], strategy=strategy, rate=0.2, max_rounds=42, **own)
    net, line = (content(run_of(document | {"layers": layers}, tables, 10).fitted()) for layers in ([8], []))
    assert net.pooled.auc > line.pooled.auc + 0.02
    assert float(net.losses[-1]) < float(net.losses[0])
    assert net.widths == (3, 8, 1)


def test_scaffold_is_stateless_at_the_sites_and_corrects_their_drift():
    """Two sites that pull apart: averages of many local steps miss the common optimum, corrected ones do not."""
    source = np.random.default_rng(4)
    tables = {}
    for name, shift in (("did:web:a", 2.0), ("did:web:b", -2.0)):
        x0 = source.normal(shift, 1.0, 150)
        sick = source.random(150) < 1 / (1 + np.exp(-(x0 - shift * 0.7)))
        tables[name] = {
            "x0": x0.tolist(),
            "x1": source.normal(size=150).tolist(),
            "x2": source.normal(size=150).tolist(),
        }
        tables[name]["sick"] = sick.astype(float).tolist()
    columns, target = pooled(tables)
    best = sm.Logit(target, np.column_stack([columns, np.ones(300)])).fit(disp=0).params
    many = task(WIDE, batch=0, epochs=20, rate=0.5, max_rounds=62, clip=100.0)
    average, corrected = (
        weights_of(content(run_of(many | {"strategy": strategy}, tables, brakes=EXACT).fitted()))
        for strategy in ("fedavg", "scaffold")
    )
    assert np.abs(corrected - best).max() < 1e-3
    assert np.abs(average - best).max() > 20 * np.abs(corrected - best).max()


def test_the_same_task_gives_the_same_bits_and_another_seed_others():
    tables = split(made(300, 5), 3)
    document = task(WIDE, layers=[4], validation=0.2)
    first, second, other = (
        run_of(document | {"seed": seed}, tables, 5).fitted().content["weights"] for seed in (1, 1, 2)
    )
    assert first == second != other


def test_the_best_round_is_that_of_the_least_loss_on_patients_set_apart():
    tables = split(made(600, 6), 3)
    document = task(WIDE, layers=[32], rate=1.0, max_rounds=62, validation=0.2, patience=5)
    run = run_of(document, tables)
    result = run.fitted()
    found = content(result)
    checked = [float(loss) for loss in found.checked]
    assert found.best_round == checked.index(min(checked))
    assert len(checked) == found.rounds == found.best_round + 6 < 60
    assert result.rows < 600  # those set apart are not trained on


def test_patients_set_apart_are_neither_trained_on_nor_held_out():
    tables = {"did:web:a": made(500, 7)}
    parts = [
        content_rows(task(WIDE, evaluation={"holdout": holdout}, validation=share), tables)
        for holdout, share in ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2))
    ]
    assert parts[0] == (500, 500)
    fitted, measured = parts[1]
    assert fitted + measured == 500
    assert parts[2][1] == measured
    assert parts[2][0] < fitted - 50


def content_rows(document, tables):
    result = run_of(document, tables).fitted()
    return result.rows, content(result).pooled.rows


def test_classes_may_count_alike():
    table = made(600, 8)
    table["sick"] = [float(value > 1.3) for value in table["x0"]]
    bound = task(WIDE, batch=0, rate=0.5, max_rounds=22)
    plain, even = (
        content(run_of(bound | {"class_weights": weights}, {"did:web:a": table}).fitted())
        for weights in ("none", "balanced")
    )
    assert float(even.weights[-1]) > float(plain.weights[-1]) + 0.5


def test_updates_are_rounded_to_what_their_rows_carry():
    tables = split(made(300, 9), 3)
    document = task(WIDE, batch=0, rate=0.5)
    run = run_of(document, tables)
    run.fitted()
    rough, exact = (
        [value >> (FRACTION - 40) for value in total[4:]] for total in (run.totals[1], run_of_total(document, tables))
    )
    assert rough != exact
    assert np.abs(np.array(rough) - np.array(exact)).max() / 2.0**40 / 300 < 2**-11


def run_of_total(document, tables):
    run = run_of(document, tables, brakes=EXACT)
    run.fitted()
    return run.totals[1]


def test_gaps_and_codes_are_columns_as_in_other_tasks_and_rows_are_scored_alike():
    table = made(400, 10)
    table["x2"] = [float("nan") if k % 7 == 0 else value for k, value in enumerate(table["x2"])]
    table["ward"] = ["abc"[k % 3] for k in range(400)]
    document = task(("x0", "x2"), missing="indicator+mean", layers=[4])
    document["features"].append({"name": "ward", "kind": "coded", "levels": ["a", "b", "c"]})
    found = content(run_of(document, {"did:web:a": table}).fitted())
    assert found.inputs == ("x0", "x2", "ward=b", "ward=c", "x2 is missing")
    assert found.uncarried == ("ward=(joined)",)


# --- what is refused ---
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": [0]}, "layers"),
        ({"layers": [1000, 1000]}, "16384 weights"),
        ({"activation": "gelu"}, "activation"),
        ({"strategy": "cyclic"}, "strategy"),
        ({"rate": 0.0}, "rate"),
        ({"rate": "nan"}, "rate"),
        ({"clip": 1e300}, "clip"),
        ({"epochs": 0}, "epochs"),
        ({"updates": 10**9}, "updates"),
        ({"batch": -1}, "batch"),
        ({"seed": -1}, "seed"),
        ({"beta1": 1.0}, "beta1"),
        ({"validation": 0.25}, "validation"),
        ({"validation": 0.3, "evaluation": {"holdout": 0.3}}, "no more than"),
        ({"patience": 3}, "patience"),
        ({"proximal": 0.1}, "proximal"),
        ({"protection": "coordinator-sees-sums"}, "protection"),
        ({"target": "x0 > 0"}, "among the features"),
        ({"noise": {"epsilon": 1.0}}, "noise"),
        ({"standardise": False}, "standardise"),
    ],
)
def test_a_task_that_is_none_says_which_field(changes, words):
    with pytest.raises(TaskInvalidError, match=words):
        parse(task(WIDE) | changes)


def test_what_a_task_says_survives_its_canonical_form():
    for changes in ({}, {"strategy": "fedadam", "updates": 5}, {"strategy": "fedprox", "layers": [4, 3]}):
        read = parse(task(WIDE, **changes))
        assert parse(again(read.document())) == read
        assert read.table.protection == MASKED_SUMS


def test_where_everybody_has_the_same_outcome():
    tables = split(made(100, 1) | {"sick": [1.0] * 100}, 2)
    with pytest.raises(OneClassError):
        run_of(task(WIDE), tables, brakes=Brakes(outcomes=False)).fitted()


def test_where_no_column_varies():
    tables = {"did:web:a": made(50, 1) | {name: [1.0] * 50 for name in WIDE}}
    with pytest.raises(SingularError):
        run_of(task(WIDE), tables).fitted()


def test_a_site_with_one_class_takes_part_only_where_that_tells_nothing():
    tables = split(made(200, 2), 2)
    site = next(iter(tables))
    tables[site]["sick"] = [0.0] * len(tables[site]["sick"])
    assert run_of(task(WIDE), tables).fitted().sites == tuple(tables)
    with pytest.raises(DisclosureError):
        run_of(task(WIDE), tables, 5).fitted()


def test_training_that_diverges_says_what_to_lower():
    table = {"did:web:a": made(80, 3)}
    with pytest.raises(LocallyDivergedError):
        run_of(task(WIDE, layers=[16, 16], rate=100.0, epochs=100, l2=1e6), table).fitted()
    far = task(WIDE, rate=100.0, epochs=20, batch=1, clip=1e6, server_rate=100.0)
    with pytest.raises(DivergedError):
        run_of(far, table).fitted()


def test_totals_that_cannot_be_right():
    tables = split(made(200, 4), 2)
    run = run_of(task(WIDE), tables)
    state = run.step(again(run.summed.first()))
    total = run.total(state, 2)
    run.summed.check(state, total, 2)
    one = 1 << FRACTION
    for place, change in (
        (0, one),
        (0, 1),
        (1, -(2**20) * one),
        (2, -one),
        (2, 1),
        (4, 2**24 * one),
        (4, 200 * 6 * one),
    ):
        wrong = [*total]
        wrong[place] += change
        with pytest.raises(TotalInvalidError):
            run.summed.check(state, wrong, 2)
    with pytest.raises(TotalInvalidError):
        run.summed.check(state, total[:-1], 2)
    with pytest.raises(ProposalInvalidError):
        run.summed.follow(state, total, {"step": ["1"]})


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, 1e5])
def test_weights_that_nobody_should_train_on_are_refused(value):
    tables = {"did:web:a": made(100, 5)}
    run = run_of(task(WIDE), tables)
    state = run.step(again(run.summed.first()))
    asked = run.summed.asked(state)
    inputs = asked.inputs | {"weights": [value, *asked.inputs["weights"][1:]]}
    engine = run.tasks.summing
    with pytest.raises(StepInvalidError):
        engine.sums(
            run.admitted("did:web:a"),
            run.document,
            type(asked)("training", inputs),
            run.summed.shape(state),
            run.material("did:web:a"),
            2,
        )


def test_an_outcome_that_belongs_to_another_task():
    tables = {"did:web:a": made(100, 6)}
    run = run_of(task(WIDE), tables)
    outcome = run.outcome()
    for changes in ({"weights": outcome["weights"][1:]}, {"weights": ["1e300"] * 4}, {"losses": "x"}, {"more": 1}):
        with pytest.raises(RunError):
            run.summed.result(outcome | changes, ("did:web:a",), {})
    with pytest.raises(RunError):
        run.summed.outcome(run.states[0])


def test_training_begins_again_once_a_site_has_left():
    tables = {"did:web:a": made(100, 7)}
    run = run_of(task(WIDE), tables)
    run.outcome()
    assert run.summed.without(run.states[0]) is None
    assert run.summed.without(run.states[3]) == run.summed.first()
    assert run.summed.without(run.states[-2]) is None


def test_a_hospital_answers_a_whole_training_and_not_one_about_a_patient_fewer():
    table = made(300, 8)
    run = run_of(task(WIDE, layers=[8], max_rounds=32), {"did:web:a": table}, 10)
    state, number = again(run.summed.first()), 0
    while run.summed.asked(state) is not None:
        asked = run.travelled(state)
        state, number = run.step(state), number + 1
        run.history = (*run.history, Step(run.document, number, asked.name, asked.inputs))
    gap = {name: [math.nan, *values[1:]] if name == "x2" else values for name, values in table.items()}
    fewer = run_of(task(WIDE), {"did:web:a": gap}, 10)
    fewer.step(again(fewer.summed.first()))
    other = run_of(task(("x0", "x1")), {"did:web:a": gap}, 10)
    other.history = (Step(fewer.document, 1, "moments", {}),)
    with pytest.raises(DisclosureError):
        other.step(again(other.summed.first()))


def test_the_engine_and_its_words():
    engine, read = NetEngine(), task(WIDE, layers=[4])
    engine.check(read)
    assert (engine.kind, engine.task, engine.protection(read)) == ("medspace:train", "net", MASKED_SUMS)
    assert engine.numbers(read) == (3 + 1) * 4 + 5
    assert engine.columns(Step(read, 1, "share")) == {"sick", *WIDE}
    assert "x2" in str(engine.difference(read, task(("x0", "x1"), layers=[9])))
    assert {one.name for one in engine.outputs} & WORDS.keys() == {"net.model", "net.progress", "net.quality"}
    procedure = NetAlgorithm().prepare(read)
    assert [need.column for need in procedure.needs] == ["sick", *WIDE]
    assert summed(read | {"protection": MASKED_SUMS}) is not None
    assert summed(read | {"layers": [-1]}) is None


def test_people_are_told_how_it_was_trained():
    result = run_of(task(WIDE, layers=[4], validation=0.2, max_rounds=32), split(made(500, 9), 3)).fitted()
    told = describe(result, {})
    assert str(told.title) == "Neural network (3-4-1)"
    assert told.facts["quality"]["pooled"]["auc"] > 0.5
    (curve,) = told.tables
    assert len(curve.columns) == 3
    assert curve.rows[0][0] == 0
    assert curve.rows[-1][0] == 29


def test_the_chance_of_a_row_is_that_of_the_net_as_it_was_judged():
    """By the counts of the evaluation: the Brier score over all rows is that of the chances."""
    tables = {"did:web:a": made(200, 11)}
    found = content(run_of(task(WIDE, layers=[4]), tables).fitted())
    columns, target = pooled(tables)
    network = Perceptron(found.widths)
    chance = network.head.chances(network.logits(weights_of(found), columns))[:, 1]
    assert found.pooled.brier == pytest.approx(float(np.square(target - chance).mean()), abs=1e-9)


def test_the_task_of_the_documentation_is_one():
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text("utf-8")
    shown, *_ = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if 'task = "net"' in block]
    read = parse(tomllib.loads(shown))
    assert (read.layers, read.server.strategy, read.patience) == ((16, 8), "fedadam", 5)
