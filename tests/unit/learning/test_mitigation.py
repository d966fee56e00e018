"""Models that are made fairer by masked sums alone: what somebody with all rows would do, by other programs.

Reweighing: Kamiran and Calders's weights, fitted by scikit-learn. The penalty: the same objective, minimised by SciPy
over all rows. Thresholds: every threshold tried on all rows that were kept out, with fairlearn's rates.
"""

import msgspec
import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, selection_rate, true_negative_rate, true_positive_rate
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from medspace.learning.evaluation.model import Judgement
from medspace.learning.exact import FRACTION
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.following import read
from medspace.learning.glm.judging import PreparedRows
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import parse
from medspace.learning.glm.weighing import weigh
from medspace.learning.mitigation.model import Mitigated
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.task import parse as parse_net
from medspace.policy import gates
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.errors import TotalInvalidError
from tests.unit.learning.masked_sites import MaskedRun, again

LEAST = 5
FEATURES = ("age", "dose")
GROUPS = ("f", "m")
RATES = {"sensitivity": true_positive_rate, "specificity": true_negative_rate, "positives": selection_rate}


def hospital(seed, count=400):
    """Women are rarer, less often sick, and their dose stands for other things."""
    source = np.random.default_rng(seed)
    woman = source.random(count) < 0.4
    age = source.normal(60.0, 8.0, count)
    dose = source.normal(2.0, 1.0, count) + np.where(woman, -0.8, 0.3)
    logit = 0.06 * (age - 60.0) + np.where(woman, 0.4, 1.0) * (dose - 2.0) - np.where(woman, 0.7, 0.0)
    sick = source.random(count) < 1.0 / (1.0 + np.exp(-logit))
    return {
        "age": age.tolist(),
        "dose": dose.tolist(),
        "sex": np.where(woman, *GROUPS).tolist(),
        "sick": sick.astype(float).tolist(),
    }


def hospitals(count=4, rows=400):
    return {f"did:web:h{at}": hospital(at, rows) for at in range(count)}


def task(kind="glm", **changes):
    judge = {"groups": [{"column": "sex", "codes": list(GROUPS)}], "thresholds": [0.5], "least": LEAST}
    own = {"family": "binomial"} if kind == "glm" else {"task": "net", "rate": 2.0, "batch": 0, "clip": 100.0}
    said = {
        "target": "sick > 0",
        "features": [{"name": name} for name in FEATURES],
        "purpose": "research",
        "missing": "drop",
        "protection": "masked-sums",
        "judge": judge,
    }
    return said | own | changes


def mitigate(**how):
    return {"mitigate": {"column": "sex"} | how}


def run_of(document, tables=None, least=LEAST, **more):
    kind = MaskedNets if document.get("task") == "net" else MaskedGlms
    return MaskedRun(document, tables or hospitals(), least, tasks=kind(), **more)


def finished(document, tables=None, **more):
    """The run with what it came to."""
    run = run_of(document, tables, **more)
    content = run.summed.result(run.outcome(), tuple(run.tables), {}).content
    run.content = content
    run.mitigated = msgspec.convert(content["mitigated"], Mitigated) if content["mitigated"] else None
    run.judged = msgspec.convert(content["judged"], Judgement)
    return run


def pooled(tables=None):
    """All rows: columns scaled by the means and deviations of all, who is a woman, who is sick."""
    found = tables or hospitals()
    columns = np.column_stack([np.concatenate([table[name] for table in found.values()]) for name in FEATURES])
    woman = np.concatenate([np.array(table["sex"]) == "f" for table in found.values()])
    sick = np.concatenate([table["sick"] for table in found.values()])
    return (columns - columns.mean(axis=0)) / columns.std(axis=0), woman, sick


def scaled(run):
    """The coefficients of the scaled columns, intercept first."""
    return np.array(read(run.states[-1]).asked)


# --- reweighing ----------------------------------------------------------------------------------------------------
def kamiran_calders(woman, sick):
    weights = np.ones(len(sick))
    for group in (woman, ~woman):
        for side in (0.0, 1.0):
            own = group & (sick == side)
            weights[own] = group.mean() * (sick == side).mean() / own.mean()
    return weights


def test_reweighing_is_that_of_kamiran_and_calders_on_all_rows():
    run = finished(task(l2=1.0, **mitigate(reweighing=True)))
    columns, woman, sick = pooled()
    weights = kamiran_calders(woman, sick)
    for one, own in zip(run.mitigated.groups, (woman, ~woman), strict=True):
        assert one.without == pytest.approx(weights[own & (sick == 0.0)][0], abs=1e-12)
        assert one.having == pytest.approx(weights[own & (sick == 1.0)][0], abs=1e-12)
    oracle = LogisticRegression(C=1.0, tol=1e-12, max_iter=1000).fit(columns, sick, sample_weight=weights)
    assert scaled(run) == pytest.approx([oracle.intercept_[0], *oracle.coef_[0]], abs=1e-5)


def test_a_net_is_reweighed_alike():
    run = finished(task("net", max_rounds=40, **mitigate(reweighing=True)))
    columns, woman, sick = pooled()
    weights = kamiran_calders(woman, sick)
    oracle = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(columns, sick, sample_weight=weights)
    found = [float(one) for one in run.content["weights"]]
    assert found == pytest.approx([*oracle.coef_[0], oracle.intercept_[0]], abs=0.02)
    assert len(run.content["losses"]) == 40 - 3


# --- the penalty ---------------------------------------------------------------------------------------------------
def objective(columns, woman, sick, l2, penalty):
    """Mean loss, ridge, and the squared difference of the mean scores, of either group against the other."""
    count = len(sick)
    design = np.column_stack([np.ones(count), columns])

    def value(beta):
        score = design @ beta
        apart = score[woman].mean() - score[~woman].mean()
        loss = np.logaddexp(0.0, score).sum() - sick @ score
        return loss + l2 / 2.0 * np.square(beta[1:]).sum() + 2 * penalty / 2.0 * count * apart**2

    return value


@pytest.mark.parametrize("penalty", [0.1, 1.0, 100.0])
def test_the_penalty_is_the_one_of_all_rows(penalty):
    run = finished(task(l2=1.0, **mitigate(penalty=penalty)))
    columns, woman, sick = pooled()
    oracle = minimize(objective(columns, woman, sick, 1.0, penalty), np.zeros(3), tol=1e-14)
    assert scaled(run) == pytest.approx(oracle.x, abs=1e-4)


def difference_of(beta):
    columns, woman, _ = pooled()
    score = np.column_stack([np.ones(len(woman)), columns]) @ beta
    return abs(score[woman].mean() - score[~woman].mean())


def test_a_larger_penalty_brings_the_groups_closer():
    apart = [
        difference_of(scaled(finished(task(l2=1.0, **mitigate(penalty=one))))) for one in (1e-6, 0.1, 1.0, 100.0)
    ]
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < apart[0] / 50


def test_a_net_is_penalised_by_the_differences_of_the_round_before():
    def found(**how):
        weights = [float(one) for one in finished(task("net", max_rounds=100, rate=0.8, **how)).content["weights"]]
        return np.array([weights[-1], *weights[:-1]])

    free, held = found(), found(**mitigate(penalty=0.3))
    assert difference_of(held) < difference_of(free) / 2
    columns, woman, sick = pooled()
    oracle = minimize(objective(columns, woman, sick, 0.0, 0.3), np.zeros(3), tol=1e-14)
    assert held == pytest.approx(oracle.x, abs=0.02)


# --- thresholds ----------------------------------------------------------------------------------------------------
def rows_of(run, part):
    """What somebody with all rows has of those kept out, or measured on: group, outcome, chance at the final beta."""
    read_task, state, found = parse(run.document), read(run.states[-1]), []
    for site in run.tables:
        parts = PreparedRows(run.admitted(site), run.material(site), Samples())
        block = getattr(parts.sample(read_task), part)
        weighed = weigh(read_task, block, BetaForm(state.asked, state.layout), None)
        chance = 1.0 / (1.0 + np.exp(-weighed.eta))
        found.append((np.array(run.tables[site]["sex"])[block.rows], block.target, chance))
    return [np.concatenate(one) for one in zip(*found, strict=True)]


def gap(rows, name, thresholds):
    group, target, chance = rows
    said = (chance >= np.array([thresholds[one] for one in group])).astype(float)
    frame = MetricFrame(metrics=RATES[name], y_true=target, y_pred=said, sensitive_features=group)
    return frame.difference()


@pytest.mark.parametrize("name", list(RATES))
def test_thresholds_are_those_nearest_to_everyones_share_on_the_rows_kept_out(name):
    document = task(evaluation={"holdout": 0.2}, l2=1.0, **mitigate(equal=name, validation=0.3))
    run = finished(document, hospitals(rows=2500))
    thresholds = {one.group: one.threshold for one in run.mitigated.groups}
    group, target, chance = kept = rows_of(run, "validated")
    everyone = RATES[name](target, (chance >= 0.5).astype(float))
    for one, chosen in thresholds.items():
        own = group == one
        far = {at / 100: abs(RATES[name](target[own], chance[own] >= at / 100) - everyone) for at in range(1, 100)}
        assert far[chosen] <= min(far.values()) + 0.02  # cells of few persons are no candidates
    assert gap(kept, name, thresholds) < gap(kept, name, dict.fromkeys(GROUPS, 0.5)) / 2
    measured = rows_of(run, "measured")
    assert run.mitigated.gap_before == pytest.approx(gap(measured, name, dict.fromkeys(GROUPS, 0.5)), abs=1e-9)
    assert run.mitigated.gap_after == pytest.approx(gap(measured, name, thresholds), abs=1e-9)
    assert run.mitigated.gap_after < run.mitigated.gap_before
    assert {matrix.threshold for one in run.judged.groups for matrix in one.confusion} == {0.5}
    assert {one.threshold for one in run.judged.gaps} <= {None, 0.5}


def test_a_net_chooses_its_thresholds_on_the_patients_set_apart():
    run = finished(task("net", max_rounds=30, validation=0.3, **mitigate(equal="sensitivity")), hospitals(rows=1500))
    assert run.mitigated.gap_after < run.mitigated.gap_before
    assert len(run.content["losses"]) == 30 - 3


def test_a_task_without_is_asked_what_earlier_versions_were_asked():
    for document in (task(), task("net", max_rounds=5)):
        run = run_of(document)
        run.outcome()
        for state in run.states[1:-1]:
            assert "mitigat" not in str(state) + str(run.summed.asked(state))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mitigate": {"column": "age", "reweighing": True}}, "not among the groups of judge"),
        (mitigate(), "needs reweighing"),
        (mitigate(validation=0.2, penalty=1.0), "belongs to what is to be equal"),
        (mitigate(equal="sensitivity", validation=0.25), "validation must be one of"),
        (mitigate(equal="sensitivity", validation=0.3, threshold=2.0), "threshold must lie between"),
        (mitigate(penalty=-1.0), "penalty must lie between"),
        (mitigate(equal="accuracy"), "equal"),
        ({"judge": None} | mitigate(reweighing=True), "not among the groups of judge"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(TaskInvalidError, match=said):
        parse(task() | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (mitigate(equal="sensitivity"), "thresholds of groups need validation"),
        (mitigate(equal="sensitivity", validation=0.2), "leave it out of mitigate"),
        (mitigate(equal="sensitivity", reweighing=True) | {"validation": 0.2, "max_rounds": 4}, "no round to train"),
    ],
)
def test_nets_that_make_no_sense_are_refused(changes, said):
    with pytest.raises(TaskInvalidError, match=said):
        parse_net(task("net", **changes))


def test_thresholds_of_a_glm_need_rows_to_choose_them_on():
    with pytest.raises(TaskInvalidError, match="need validation"):
        parse(task(**mitigate(equal="sensitivity")))


def test_what_a_task_says_survives_its_canonical_form():
    how = mitigate(reweighing=True, penalty=0.5, equal="positives", threshold=0.3, validation=0.2)
    assert parse(again(parse(task(**how)).document())) == parse(task(**how))
    own = mitigate(penalty=0.5, equal="positives")
    assert parse_net(again(parse_net(task("net", validation=0.2, **own)).document())).table.mitigate.penalty == 0.5


# --- groups that are too small -------------------------------------------------------------------------------------
def with_few_women(sick, count=3, well=60):
    """Hospitals in which the women are `sick`, and few of them have another outcome."""
    found = hospitals(rows=300)
    for table in found.values():
        women = [at for at, one in enumerate(table["sex"]) if one == "f"]
        for rank, at in enumerate(women):
            table["sick"][at] = sick if rank < well else 1.0 - sick
        table["sex"] = ["m" if one == "f" and rank >= well + count else one for rank, one in ranked(table["sex"])]
    return found


def ranked(sexes):
    seen = 0
    for one in sexes:
        yield seen, one
        seen += one == "f"


@pytest.mark.parametrize("sick", [0.0, 1.0])
def test_a_group_with_few_of_an_outcome_is_neither_weighed_nor_penalised_nor_given_a_threshold(sick):
    """One woman of each hospital has the other outcome, four in all."""
    tables = with_few_women(sick, count=1)
    how = mitigate(reweighing=True, penalty=1.0, equal="sensitivity", validation=0.3)
    run = finished(task(l2=1.0, **how), tables)
    for one in run.mitigated.groups:
        assert (one.without, one.having, one.threshold) == (1.0, 1.0, None)
    state = read(run.states[-1])
    assert state.mitigation.apart == ()
    plain = finished(task(l2=1.0, **mitigate(penalty=1e-9, equal="sensitivity", validation=0.3)), tables)
    assert scaled(run) == pytest.approx(scaled(plain), abs=1e-9)


def test_a_group_of_one_hospital_is_not_counted_at_all():
    tables = hospitals()
    for site in list(tables)[1:]:
        tables[site]["sex"] = ["m"] * len(tables[site]["sex"])
    run = finished(
        task(l2=1.0, **mitigate(reweighing=True, penalty=1.0, equal="sensitivity", validation=0.3)), tables
    )
    state = read(run.states[-1]).mitigation
    assert 0 not in state.balanced
    assert 0 not in state.validated
    assert all(one.threshold is None for one in run.mitigated.groups)


def test_a_hospital_with_too_few_rows_to_choose_thresholds_on_takes_part_without():
    tables = hospitals(5) | {"did:web:small": hospital(9, 30)}
    run = finished(task(l2=1.0, **mitigate(equal="sensitivity", validation=0.1)), tables)
    assert all(one.threshold is not None for one in run.mitigated.groups)


# --- totals that cannot be right -----------------------------------------------------------------------------------
def test_totals_that_cannot_be_right():
    run = run_of(task(l2=1.0, **mitigate(reweighing=True, penalty=1.0, equal="sensitivity", validation=0.3)))
    state, wrong = again(run.summed.first()), {"mitigation": (0, 2, 3, 4), "thresholds": (0, 1, 4, 6)}
    while (asked := run.summed.asked(state)) is not None:
        number = len(run.states) + 1
        for place in wrong.get(asked.name, ()):
            for change in (1, 2**40 << FRACTION, -(2**40) << FRACTION):
                total = run.total(state, number)
                total[place] += change
                with pytest.raises(TotalInvalidError):
                    run.summed.check(state, total, len(run.tables))
        state = run.step(state)
    assert run.summed.outcome(state)["mitigated"] is not None


# --- what it is used for -------------------------------------------------------------------------------------------
def test_terms_compare_the_sensitivities_at_the_thresholds_in_use():
    plain, equal = (
        finished(task(l2=1.0, evaluation={"holdout": 0.2}, **how), hospitals(rows=2500))
        for how in (mitigate(penalty=1e-9), mitigate(equal="sensitivity", validation=0.3))
    )
    gaps = []
    for run in (plain, equal):
        measures = {one.name: one for one in run.summed.measures(run.states[-1], {})}
        gaps.append(measures[gates.SENSITIVITY_GAP].value)
        assert measures[gates.SENSITIVITY_GAP].column == "sex"
    assert gaps[1] == pytest.approx(equal.mitigated.gap_after, abs=1e-12)
    assert gaps[1] < gaps[0]
    other = finished(task(l2=1.0, **mitigate(equal="sensitivity", validation=0.3, threshold=0.9)))
    assert gates.SENSITIVITY_GAP not in {one.name for one in other.summed.measures(other.states[-1], {})}
