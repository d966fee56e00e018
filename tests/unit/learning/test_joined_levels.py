"""Levels that few patients of a hospital have: a level of their own, said in the model, and never the first one."""

import numpy as np
import pytest
import statsmodels.api as sm

from medspace.learning.glm.outcome import read
from medspace.learning.using.glm import linear
from tests.unit.learning.simulated import TableRows, coefficients, did, fitted, split

STAGES = ["I", "II", "III", "IV"]
EFFECTS = {"I": 0.0, "II": 0.4, "III": 1.2, "IV": 3.0}


def hospital(seed, counts):
    source = np.random.default_rng(seed)
    stage = source.permutation([s for s, count in zip(STAGES, counts, strict=True) for _ in range(count)])
    chance = 1.0 / (1.0 + np.exp(1.0 - np.array([EFFECTS[s] for s in stage])))
    return {"stage": stage.tolist(), "y": (source.random(len(stage)) < chance).astype(float).tolist()}


def task(levels=STAGES, **changes):
    features = [{"name": "stage", "kind": "coded", "levels": levels}]
    return {"family": "binomial", "target": "y", "features": features, "purpose": "p", "min_sites": 1, **changes}


RARE = {did(at): hospital(at, (150, 120, 60, 9)) for at in range(3)}  # nine of stage IV at each


def pooled(tables, groups):
    """The coefficients that one party with all rows finds; `groups` are 0/1 columns by name."""
    target = np.concatenate([columns["y"] for columns in tables.values()])
    return dict(
        zip(
            groups,
            sm.GLM(target, np.column_stack(list(groups.values())), family=sm.families.Binomial()).fit().params,
            strict=True,
        )
    )


async def test_nine_of_stage_four_at_each_hospital_do_not_pull_the_first_stage_up():
    model = await fitted(task(), RARE, least=10)
    stage = np.concatenate([columns["stage"] for columns in RARE.values()])
    groups = {
        "intercept": np.ones(len(stage)),
        "stage=II": (stage == "II").astype(float),
        "stage=(joined)": np.isin(stage, ("III", "IV")).astype(float),
    }
    said = {term.name: float(term.coefficient) for term in read(model).terms}
    missing = said.pop("stage is missing")
    assert missing == 0.0
    assert said == pytest.approx(pooled(RARE, groups), abs=1e-5)


async def test_the_model_names_what_was_joined_where_and_how_many():
    fitted_model = read(await fitted(task(), RARE, least=10))
    assert [(j.site, j.feature, j.levels) for j in fitted_model.joined] == [(site, "stage", 2) for site in RARE]
    assert fitted_model.uncarried == ("stage=III", "stage=IV")
    assert not {term.name for term in fitted_model.terms} & {"stage=III", "stage=IV"}


async def test_without_rare_levels_nothing_is_joined_and_nothing_said():
    tables = {did(0): hospital(1, (80, 60, 60, 40))}
    model = read(await fitted(task(), tables, least=10))
    assert (model.joined, model.uncarried) == ((), ("stage=(joined)",))
    assert {term.name for term in model.terms} >= {"stage=II", "stage=III", "stage=IV"}
    assert "stage=(joined)" not in {term.name for term in model.terms}


async def test_a_level_that_one_hospital_joins_is_learned_from_the_others():
    tables = {did(0): hospital(1, (150, 120, 60, 9)), did(1): hospital(2, (150, 120, 60, 80))}
    model = read(await fitted(task(), tables, least=10))
    said = {term.name: float(term.coefficient) for term in model.terms}
    assert said["stage=IV"] > 2.0
    assert [(j.site, j.levels) for j in model.joined] == [(did(0), 2)]


async def test_a_first_level_that_nobody_carries_has_a_stand_in():
    tables = {did(at): hospital(at, (4, 120, 60, 50)) for at in range(2)}
    model = await fitted(task(), tables, least=10)
    said = {term.name: term for term in read(model).terms}
    assert "stage=I" in read(model).uncarried
    assert (said["stage=II"].coefficient, said["stage=II"].standard_error) == ("0.0", None)
    assert float(said["stage=III"].coefficient) > 0.3
    assert float(said["stage=(joined)"].coefficient) > 1.0  # I and IV


async def test_scores_count_a_level_that_nobody_carried_as_joined_or_say_nothing():
    model = await fitted(task(), RARE, least=10)
    said = {term.name: float(term.coefficient) for term in read(model).terms}
    rows = TableRows({"stage": ["I", "II", "III", "IV"]}, 4)
    start = said["intercept"]
    expected = [start, start + said["stage=II"], *[start + said["stage=(joined)"]] * 2]
    assert linear(model, rows) == pytest.approx(expected)
    nowhere = await fitted(task([*STAGES, "V"]), {did(0): hospital(1, (80, 60, 60, 40))}, least=10)
    assert np.isnan(linear(nowhere, TableRows({"stage": ["V", "I"]}, 2))).tolist() == [True, False]


async def test_rows_and_persons_are_told_apart():
    columns = hospital(1, (80, 60, 60, 40))
    doubled = {name: values * 2 for name, values in columns.items()} | {"person": list(range(240)) * 2}
    model = await fitted(task(), {did(0): doubled}, least=10)
    assert (model.rows, read(model).persons) == (480, 240)
    assert (read(model).pooled.rows, read(model).pooled.persons) == (480, 240)
    assert [(s.rows, s.persons) for s in read(model).sites] == [(480, 240)]


async def test_the_long_tail_of_an_outcome_is_levelled_and_not_cut_off():
    source = np.random.default_rng(4)
    x = source.normal(size=3000)
    days = np.round(np.exp(1.0 + 0.5 * x + 0.5 * source.normal(size=3000)))
    tables = split({"x": x, "y": days}, source.integers(0, 3, 3000))
    document = {"family": "gaussian", "target": "y", "features": [{"name": "x"}], "purpose": "research"}
    found = coefficients(await fitted(document | {"missing": "drop"}, tables, least=10))
    oracle = sm.OLS(days, sm.add_constant(x)).fit()
    assert abs(found[0] - oracle.params[0]) < 1e-3  # the sum stays
    assert abs(found[1] - oracle.params[1]) < oracle.bse[1]
