"""Survival under masks: the fit of all sites together, each with its own baseline."""

import msgspec
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import CoxPHFitter

from medspace.core.canonical import exact
from medspace.core.usage import Brakes
from medspace.learning.cox.errors import NoEventError
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.model import CoxFitted
from medspace.learning.cox.task import parse
from medspace.learning.glm.errors import NotConvergedError, SeparatedError, SingularError
from medspace.learning.using.cox import pipeline
from medspace.policy import gates
from medspace.policy.outputs import WORDS
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import RunError, TaskInvalidError
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from medspace.runs.model import Lineage, Model
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.survivals import made, numbers, records, rossi, rotterdam, split, task

WIDE = ("x0", "x1", "x2")
ROSSI = ("fin", "age", "race", "wexp", "mar", "paro", "prio")


def run_of(document, tables, least=1, **more):
    return MaskedRun(document, tables, least, tasks=MaskedCoxes(), **more)


def content(result):
    return msgspec.convert(result.content, CoxFitted)


def coefficients(fitted):
    return np.array([float(term.coefficient) for term in fitted.terms])


def oracle(tables, features, time, event, ties="efron", entry=None):
    """The pooled fit of statsmodels, the sites its strata."""
    strata = np.repeat(np.arange(len(tables)), [len(one[time]) for one in tables.values()])
    pooled = {name: np.concatenate([one[name] for one in tables.values()]) for name in next(iter(tables.values()))}
    return sm.PHReg(
        pooled[time],
        np.column_stack([pooled[name] for name in features]),
        pooled[event],
        entry=None if entry is None else pooled[entry],
        strata=strata,
        ties=ties,
    ).fit(disp=0)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("entry", [None, "start"])
def test_the_model_is_the_pooled_fit_with_a_stratum_per_site(ties, entry):
    tables = split(made(400, 11, ties=True, entry=True), 4)
    given = {} if entry is None else {"entry": entry}
    result = run_of(task(WIDE, ties=ties, tolerance=1e-10, **given), tables).fitted()
    found, theirs = content(result), oracle(tables, WIDE, "time", "event", ties, entry)
    assert np.abs(coefficients(found) - theirs.params).max() <= 1e-6
    assert [float(term.standard_error) for term in found.terms] == pytest.approx(theirs.bse, rel=2**-12)
    assert float(found.deviance) == pytest.approx(-2.0 * theirs.llf, rel=1e-9)
    assert (result.rows, found.persons, found.ties) == (400, 400, ties)
    assert result.sites == tuple(tables)


@pytest.mark.parametrize("entry", [None, "start"])
def test_the_model_is_that_of_lifelines_with_a_stratum_per_site(entry):
    """Efron's ties, with left truncation and without."""
    tables = split(made(400, 11, ties=True, entry=True), 4)
    given = {} if entry is None else {"entry": entry}
    found = content(run_of(task(WIDE, tolerance=1e-10, **given), tables).fitted())
    rows = pd.concat([pd.DataFrame(one).assign(site=site) for site, one in tables.items()])
    rows = rows[[*WIDE, "time", "event", "site", *given.values()]]
    fitter = CoxPHFitter().fit(
        rows, "time", "event", strata=["site"], entry_col=entry, fit_options={"precision": 1e-12}
    )
    assert np.abs(coefficients(found) - fitter.params_[list(WIDE)].to_numpy()).max() <= 1e-6
    errors = [float(term.standard_error) for term in found.terms]
    assert errors == pytest.approx(fitter.standard_errors_[list(WIDE)].to_numpy(), rel=2**-12)
    assert float(found.deviance) == pytest.approx(-2.0 * fitter.log_likelihood_, rel=1e-9)


def test_the_hazard_ratios_of_a_model_are_those_of_lifelines():
    """Who uses the model gets what lifelines says of the same rows, against the mean of all columns."""
    table = rossi()
    run = run_of(task(ROSSI, time="week", event="arrest", tolerance=1e-10), {"did:web:one": table})
    lineage = Lineage("r", "", (), (), (), "masked-sums")
    model = Model("m", "", run.summed.task.document(), "", run.fitted().content, 0, 1, 0.0, lineage, "")
    rows = pd.DataFrame({name: table[name] for name in (*ROSSI, "week", "arrest")})
    fitter = CoxPHFitter().fit(rows, "week", "arrest", fit_options={"precision": 1e-12})
    found = pipeline(model).score(rows[list(ROSSI)].to_numpy())
    assert found[:, 1] == pytest.approx(fitter.predict_partial_hazard(rows).to_numpy(), rel=1e-6)
    assert found[:, 0] == pytest.approx(fitter.predict_log_partial_hazard(rows).to_numpy(), abs=1e-6)


def test_one_site_gives_the_published_answer_of_a_classical_set():
    table = rossi()
    found = content(run_of(task(ROSSI, time="week", event="arrest"), {"did:web:one": table}).fitted())
    published = [-0.379, -0.057, 0.314, -0.150, -0.434, -0.085, 0.0915]  # Fox 2002, from Allison 1995
    assert coefficients(found) == pytest.approx(published, abs=5e-4)
    assert float(found.terms[0].standard_error) == pytest.approx(0.1914, abs=1e-4)
    assert (found.events, found.pooled.events) == (114, 114)
    assert found.pooled.concordance == pytest.approx(0.640, abs=5e-4)
    assert float(found.null_deviance) > float(found.deviance)


def test_a_large_cohort_over_uneven_sites():
    features = ("age", "meno", "grade", "nodes", "er", "hormon", "chemo")
    tables = split(rotterdam(), 5)
    theirs = oracle(tables, features, "dtime", "death")
    found = content(run_of(task(features, time="dtime", event="death", tolerance=1e-10), tables).fitted())
    assert np.abs(coefficients(found) - theirs.params).max() <= 1e-6
    few = content(run_of(task(features, time="dtime", event="death"), tables, least=10).fitted())
    assert (coefficients(few) * coefficients(found))[[0, 2, 3, 5]].min() > 0.0  # rare values were joined at each site


def test_six_regions_of_a_cancer_atlas():
    region = {row["pid"]: row["fold2"] for row in records("fed-tcga-brca/train_test_split.csv")}
    rows = records("fed-tcga-brca/brca.csv")
    features = ("age_at_index", "race_white", "ajcc_pathologic_n_N1", "ajcc_pathologic_n_N2")
    tables = {
        f"did:web:{one.replace('_', '')}": numbers(
            [row for row in rows if region.get(row["pid"]) == one], *features, "E", "T"
        )
        for one in sorted(set(region.values()))
        if one.startswith("train")
    }
    found = content(run_of(task(features, time="T", event="E", tolerance=1e-10), tables).fitted())
    theirs = oracle(tables, features, "T", "E")
    assert np.abs(coefficients(found) - theirs.params).max() <= 1e-6


def test_a_penalty_shrinks():
    tables = split(made(200, 4), 3)
    free, held = (content(run_of(task(WIDE, l2=l2), tables).fitted()) for l2 in (0.0, 50.0))
    assert np.abs(coefficients(held)).sum() < np.abs(coefficients(free)).sum()


def test_held_out_rows_are_ranked_by_themselves():
    tables = split(made(600, 4), 3)
    result = run_of(task(WIDE, holdout=0.3), tables).fitted()
    found = content(result)
    assert found.measured_on == "held-out rows"
    assert result.rows + found.pooled.rows == 600
    assert 0.6 < found.pooled.concordance < 0.8


def test_rows_without_times_or_in_the_wrong_order_are_left_out():
    table = made(100, 2, entry=True)
    table["time"][0] = float("nan")
    table["time"][1], table["start"][1] = 3.0, 3.0
    table["time"][2] = -1.0
    table["event"][3] = float("nan")
    result = run_of(task(WIDE, entry="start"), {"did:web:a": table}).fitted()
    assert result.rows == 96


def test_gaps_and_codes_are_columns_as_in_other_tasks():
    table = made(200, 6)
    table["x2"] = [float("nan") if k % 7 == 0 else value for k, value in enumerate(table["x2"])]
    table["ward"] = ["abc"[k % 3] for k in range(200)]
    document = task(("x0", "x2"), missing="indicator+mean")
    document["features"].append({"name": "ward", "kind": "coded", "levels": ["a", "b", "c"]})
    found = content(run_of(document, {"did:web:a": table}).fitted())
    gaps = [f"{name} is missing" for name in ("x0", "x2", "ward")]
    assert [term.name for term in found.terms] == ["x0", "x2", "ward=b", "ward=c", *gaps]
    assert found.uncarried == ("ward=(joined)",)


def test_where_nobody_has_the_event():
    table = made(50, 2) | {"event": [1.0] + [0.0] * 49}
    table["time"][0] = float("nan")
    with pytest.raises(NoEventError):
        run_of(task(WIDE), {"did:web:a": table}).outcome()


def test_columns_that_explain_each_other_or_do_not_vary():
    table = made(80, 2)
    doubled = table | {"x1": [2.0 * value for value in table["x0"]]}
    with pytest.raises(SingularError):
        run_of(task(("x0", "x1")), {"did:web:a": doubled}).outcome()
    with pytest.raises(SingularError):
        run_of(task(("x0",)), {"did:web:a": table | {"x0": [1.0] * 80}}).outcome()


@pytest.mark.parametrize("rounds", [5, 25])
def test_a_column_that_tells_who_has_the_event_first(rounds):
    table = made(80, 2) | {"x0": [float(event) for event in made(80, 2)["event"]]}
    table["event"] = [1.0] * 40 + [0.0] * 40
    table["x0"] = [1.0] * 40 + [0.0] * 40
    table["time"] = [*range(1, 41), *range(100, 140)]
    with pytest.raises((SeparatedError, NotConvergedError)):
        run_of(task(("x0",), max_rounds=rounds), {"did:web:a": table}).outcome()
    assert coefficients(content(run_of(task(("x0",), l2=1.0), {"did:web:a": table}).fitted()))[0] > 1.0


def test_too_few_rounds():
    with pytest.raises(NotConvergedError):
        run_of(task(WIDE, max_rounds=3), split(made(200, 4), 3)).outcome()


def test_a_step_too_far_is_halved():
    run = run_of(task(("x0",)), {"did:web:a": made(60, 1)})
    stand = again(run.summed.first())
    for _ in range(2):
        stand = run.step(stand)
    far = stand | {"beta": [str(int(value) * 5) for value in stand["beta"]]}
    total = run.total(far, 3)
    halved = run.summed.follow(far, total, {})
    assert int(halved["beta"][0]) == (int(far["base"][0]) + int(far["beta"][0])) >> 1
    with pytest.raises(ProposalInvalidError):
        run.summed.follow(far, total, {"step": ["1"]})


def test_a_proposal_that_does_not_follow_is_refused():
    run = run_of(task(WIDE), split(made(200, 4), 3))
    stand = run.step(again(run.summed.first()))
    total = run.total(stand, 2)
    proposal = run.summed.propose(stand, total)
    wrong = {"step": [str(int(value) + (1 << 60)) for value in proposal["step"]]}
    with pytest.raises(ProposalInvalidError):
        run.summed.follow(stand, total, wrong)
    assert run.summed.follow(stand, total, proposal)["round"] == 2


def test_totals_that_cannot_be_right_are_refused():
    run = run_of(task(WIDE), split(made(200, 4), 3))
    first = again(run.summed.first())
    stand = run.step(first)
    total = run.total(stand, 2)
    one = 1 << 96
    for spoilt in (
        [total[0] + one, *total[1:]],
        [total[0], total[1] + one, *total[2:]],
        [total[0], total[1], -(1 << 140), *total[3:]],
        [*total[:6], -total[6], *total[7:]],
        total[:-1],
    ):
        with pytest.raises(TotalInvalidError):
            run.summed.check(stand, spoilt, 3)
    while run.summed.asked(stand).name != "evaluation":
        stand = run.step(stand)
    last = run.total(stand, 9)
    for spoilt in (
        [*last[:4], last[2] * 300, last[5]],
        [*last[:5], 2 * last[4] + one],
        [*last[:2], last[0] + one, *last[3:]],
    ):
        with pytest.raises(TotalInvalidError):
            run.summed.check(stand, spoilt, 3)


def test_what_is_not_done_has_no_outcome_and_only_its_own_outcome_is_read():
    run = run_of(task(WIDE), split(made(200, 4), 3))
    with pytest.raises(RunError):
        run.summed.outcome(again(run.summed.first()))
    made_of = run.outcome()
    for spoilt in ({}, made_of | {"covariance": []}, made_of | {"deviances": made_of["deviances"][:1]}):
        with pytest.raises(RunError):
            run.summed.result(spoilt, (), {})


def test_a_site_says_how_well_the_model_orders_its_own_patients():
    tables = split(made(400, 4), 3)
    run = run_of(task(WIDE), tables, least=5, brakes=Brakes())
    outcome = run.outcome()
    state = run.states[-2]
    own = {}
    for site in tables:
        said, persons = run.tasks.summing.own_quality(
            run.admitted(site), run.document, run.travelled(state), run.material(site), 9
        )
        own[site] = again(exact(said))
        assert persons >= 5
    found = content(run.summed.result(outcome, tuple(tables), own))
    assert [one.site for one in found.sites] == list(tables)
    assert all(0.5 < one.quality.concordance < 0.95 for one in found.sites)
    assert (
        run.tasks.summing.own_quality(
            run.admitted("did:web:site0"),
            run.document,
            run.travelled(run.states[0]),
            run.material("did:web:site0"),
            1,
        )
        is None
    )


def test_few_patients_are_not_answered_about():
    with pytest.raises(DisclosureError):
        run_of(task(WIDE), {"did:web:a": made(9, 4)}, least=10).outcome()
    table = made(60, 4) | {"event": [1.0] * 3 + [0.0] * 57}
    with pytest.raises(DisclosureError):
        run_of(task(WIDE), {"did:web:a": table}, least=10).outcome()


def test_a_beta_that_weighs_one_patient_is_refused():
    table = made(200, 4) | {"x0": [30.0] + [0.0] * 99 + [1.0] * 100}
    run = run_of(task(("x0", "x1")), {"did:web:a": table}, least=10)
    stand = run.step(again(run.summed.first()))
    honest = run.total(stand, 2)
    assert len(honest) == 3 + 2 + 3
    heavy = stand | {"beta": [str(20 << 96), "0"]}
    with pytest.raises(Exception, match=r"learning\.beyond_ranges|release"):
        run.total(heavy, 2)


def test_a_contract_says_in_words_what_leaves():
    assert all(kind in WORDS for kind in ("cox.model", "cox.progress", "cox.quality"))


def test_what_no_task_can_be_is_refused():
    for wrong in (
        {"time": "x0"},
        {"entry": "time"},
        {"ties": "exact"},
        {"protection": "coordinator-sees-sums"},
        {"event": "x1"},
        {"noise": {}},
    ):
        with pytest.raises(TaskInvalidError):
            MaskedCoxes().summed(task(WIDE) | wrong)
    with pytest.raises(TaskInvalidError):
        MaskedCoxes().summed(task(WIDE, time=object()))


def test_the_canonical_form_is_read_again():
    read = parse(task(WIDE, entry="start", holdout=0.2, l2=0.5))
    assert parse(read.document()) == read
    assert parse(read.document()).digest() == read.digest()


def test_terms_can_demand_a_concordance():
    tables = split(made(400, 11), 4)
    run = run_of(task(WIDE, holdout=0.2), tables)
    found = content(run.fitted())
    done = run.summed.follow(run.states[-2], run.totals[-1], {}, 4)
    stated = {one.name: one.value for one in run.summed.measures(done, {})}
    assert stated == {gates.CONCORDANCE: found.pooled.concordance, gates.HELD_OUT: 0.2}
    assert run.summed.measures(run.states[0], {}) == ()
