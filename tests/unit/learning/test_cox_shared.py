"""Survival with one baseline for all sites: the fit of all rows together, at the times of the grid."""

import msgspec
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import CoxPHFitter

from medspace.learning.cox.engine import CoxEngine
from medspace.learning.cox.errors import NoEventError
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.maths import Survival
from medspace.learning.cox.model import CoxFitted
from medspace.learning.cox.robust import squared, stratum_scores
from medspace.learning.cox.shared import placed
from medspace.learning.cox.task import parse
from medspace.learning.errors import StepInvalidError
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.errors import TotalInvalidError
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.survivals import made, rossi, split, task
from tests.unit.learning.test_cox_robust import clustered

WIDE = ("x0", "x1", "x2")
ROSSI = ("fin", "age", "race", "wexp", "mar", "paro", "prio")
GRID = [2.0, 4.0, 6.0, 9.0, 12.0, 20.0]


def run_of(document, tables, least=1, **more):
    return MaskedRun(document, tables, least, tasks=MaskedCoxes(), **more)


def fitted(document, tables, least=1):
    return msgspec.convert(run_of(document, tables, least).fitted().content, CoxFitted)


def coefficients(found):
    return np.array([float(term.coefficient) for term in found.terms])


def errors(found):
    return [float(term.standard_error) for term in found.terms]


def pooled_rows(tables, *, entry):
    """All rows with their times rounded up to the grid, as its definition says, and those still observed after it."""
    rows = pd.concat([pd.DataFrame(one) for one in tables.values()], ignore_index=True)
    ends = [0.0, *GRID]
    after = GRID[-1] + 1.0
    rows["event"] = rows["event"].where(rows["time"] <= GRID[-1], 0.0)
    rows["time"] = [next((end for end in ends if end >= one), after) for one in rows["time"]]
    rows["start"] = [next((end for end in ends if end >= one), after) for one in rows["start"]]
    return rows[rows["start"] < rows["time"]] if entry else rows


@pytest.mark.parametrize("entry", [None, "start"])
def test_the_model_is_that_of_lifelines_on_all_rows_without_strata(entry):
    tables = split(made(400, 11, entry=True), 4)
    given = {} if entry is None else {"entry": entry}
    result = run_of(task(WIDE, grid=GRID, tolerance=1e-10, **given), tables).fitted()
    found = msgspec.convert(result.content, CoxFitted)
    rows = pooled_rows(tables, entry=entry)
    fitter = CoxPHFitter().fit(
        rows[[*WIDE, "time", "event", *given.values()]],
        "time",
        "event",
        entry_col=entry,
        fit_options={"precision": 1e-12},
    )
    assert np.abs(coefficients(found) - fitter.params_[list(WIDE)].to_numpy()).max() <= 1e-6
    assert errors(found) == pytest.approx(fitter.standard_errors_[list(WIDE)].to_numpy(), rel=2**-11)
    assert float(found.deviance) == pytest.approx(-2.0 * fitter.log_likelihood_, rel=1e-9)
    assert (found.events, result.rows) == (int(rows["event"].sum()), len(rows))
    assert found.grid == tuple(map(repr, GRID))


@pytest.mark.parametrize("entry", [None, "start"])
def test_with_ties_by_breslow_and_robust_errors_it_is_that_of_statsmodels(entry):
    tables = split(made(400, 11, entry=True), 4)
    given = {} if entry is None else {"entry": entry}
    found = fitted(task(WIDE, grid=GRID, ties="breslow", errors="robust", tolerance=1e-10, **given), tables)
    rows = pooled_rows(tables, entry=entry)
    oracle = sm.PHReg(
        rows["time"].to_numpy(),
        rows[list(WIDE)].to_numpy(),
        rows["event"].to_numpy(),
        entry=None if entry is None else rows["start"].to_numpy(),
        ties="breslow",
    ).fit(disp=0)
    assert np.abs(coefficients(found) - oracle.params).max() <= 1e-6
    assert errors(found) == pytest.approx(clustered(oracle, range(len(rows))), rel=2**-11)


def test_robust_errors_with_ties_by_efron_are_those_of_the_pooled_scores():
    tables = split(made(300, 7, entry=True), 3)
    found = fitted(task(WIDE, grid=GRID, errors="robust", entry="start", tolerance=1e-10), tables)
    plain = fitted(task(WIDE, grid=GRID, entry="start", tolerance=1e-10), tables)
    rows = pooled_rows(tables, entry=True)
    survival = Survival(rows["time"].to_numpy(), rows["event"].to_numpy() == 1.0, rows["start"].to_numpy())
    x = rows[list(WIDE)].to_numpy()
    scores = stratum_scores(x, survival, x @ coefficients(found), "efron").scores
    fitter = CoxPHFitter().fit(
        rows[[*WIDE, "time", "event", "start"]], "time", "event", entry_col="start", fit_options={"precision": 1e-12}
    )
    inverse = fitter.variance_matrix_.loc[list(WIDE), list(WIDE)].to_numpy()
    theirs = np.sqrt(np.diag(inverse @ squared(scores, np.arange(len(rows))) @ inverse))
    assert errors(found) == pytest.approx(theirs, rel=2**-10)
    assert coefficients(plain) == pytest.approx(coefficients(found), abs=1e-9)


def test_weeks_of_a_classical_set_over_three_sites_give_its_published_answer():
    """The times are whole weeks, so that the grid changes nothing."""
    grid = {"every": 1, "until": 52}
    found = fitted(task(ROSSI, time="week", event="arrest", grid=grid), split(rossi(), 3))
    published = [-0.379, -0.057, 0.314, -0.150, -0.434, -0.085, 0.0915]  # Fox 2002, from Allison 1995
    assert coefficients(found) == pytest.approx(published, abs=5e-4)
    assert float(found.terms[0].standard_error) == pytest.approx(0.1914, abs=1e-4)
    assert found.events == 114


def test_times_are_rounded_up_to_their_place():
    time, entry = np.array([0.0, 1.0, 2.0, 2.5, 9.0, 9.1]), np.array([0.0, 0.0, 0.5, 2.0, 1.0, 9.0])
    found = placed([time, entry], (2.0, 4.0, 9.0))
    assert [one.tolist() for one in found] == [[0, 0, 0, 1, 2, 3], [-1, -1, 0, 0, 0, 2]]
    assert len(placed([time], (2.0,))) == 1


def test_held_out_patients_are_ranked_and_nobody_has_an_event_after_the_grid():
    tables = split(made(600, 4), 3)
    found = fitted(task(WIDE, grid=GRID, holdout=0.3), tables)
    assert 0.6 < found.pooled.concordance < 0.85
    with pytest.raises(NoEventError):
        run_of(task(WIDE, grid=[1e-6]), tables).outcome()


def test_a_hospital_with_few_patients_in_a_group_refuses_and_longer_intervals_help():
    tables = split(made(2400, 4), 2)
    assert coefficients(fitted(task(WIDE, grid=[3.0, 8.0]), tables, least=10))[0] > 0.4
    with pytest.raises(DisclosureError):
        run_of(task(WIDE, grid={"every": 0.25, "until": 40}), tables, 10).outcome()


def test_totals_that_cannot_be_right_are_refused():
    run = run_of(task(WIDE, grid=GRID), split(made(200, 4), 3))
    first = again(run.summed.first())
    total, one = run.total(first, 1), 1 << 96
    with pytest.raises(TotalInvalidError):
        run.summed.check(first, [*total[:-1], total[0] * 2], 3)
    stand = run.step(first)
    total = run.total(stand, 2)
    place = 3 + len(WIDE)
    for spoilt in (
        [total[0] + one, *total[1:]],
        [total[0], total[1] + one, *total[2:]],
        [*total[:place], 0, *total[place + 1 :]],
        [*total[:place], -total[place], *total[place + 1 :]],
        [*total[: place + 4], -total[place + 4], *total[place + 5 :]],
        total[:-1],
    ):
        with pytest.raises(TotalInvalidError):
            run.summed.check(stand, spoilt, 3)


def asked_with(run, stand, **changes):
    asked = run.travelled(stand)
    inputs = {name: value for name, value in (asked.inputs | changes).items() if value is not None}
    return run.tasks.summing.sums(
        run.admitted("did:web:site0"),
        run.document,
        type(asked)(asked.name, inputs),
        run.summed.shape(stand),
        run.material("did:web:site0"),
        len(run.states) + 1,
    )


def test_questions_that_do_not_suit_the_grid_are_refused():
    run = run_of(task(WIDE, grid=GRID, errors="robust"), split(made(200, 4), 3))
    stand = run.step(again(run.summed.first()))
    deaths = list(stand["deaths"])
    baseline = {"inverse": [], "tied": [], "means": [], "pulls": [], "tied_pulls": []}
    wrong = (
        {"deaths": deaths[1:]},
        {"deaths": [-1, *deaths[1:]]},
        {"deaths": [0] * len(deaths)},
        {"deaths": None},
        {"deaths": "all"},
        {"baseline": baseline},
    )
    for changes in wrong:
        with pytest.raises(StepInvalidError):
            asked_with(run, stand, **changes)
    while run.summed.asked(stand).name != "scores":
        stand = run.step(stand)
    for changes in ({"baseline": None}, {"baseline": baseline}):
        with pytest.raises(StepInvalidError):
            asked_with(run, stand, **changes)
    assert asked_with(run, stand)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ([3.0, 2.0], "must grow"),
        ([0.0, 2.0], "between"),
        ({"every": 0.001, "until": 10}, "240 intervals"),
        ([1.0] * 241, "grid"),
    ],
)
def test_grids_that_are_none(grid, said):
    with pytest.raises(TaskInvalidError, match=said):
        parse(task(WIDE, grid=grid))


def test_more_sums_than_a_question_has_room_for():
    with pytest.raises(TaskInvalidError, match="more sums"):
        parse(task([f"x{k}" for k in range(40)], grid={"every": 1, "until": 100}))


def test_a_grid_is_written_by_its_ends_and_two_grids_differ_in_one_thing():
    written = parse(task(WIDE, grid={"every": 0.5, "until": 2}, errors="robust")).document()
    assert (written["grid"], written["errors"]) == (["0.5", "1.0", "1.5", "2.0"], "robust")
    assert parse(written).document() == written
    assert not {"grid", "errors"} & parse(task(WIDE)).document().keys()
    said = CoxEngine().difference(task(WIDE, grid=GRID), task(WIDE, grid=GRID[1:]))
    assert str(said) == "the times that are summed at"
