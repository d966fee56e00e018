"""What a site adds under masks, which totals cannot be right, and what the user reads."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from medspace.core.canonical import canonical
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_SUMS
from medspace.core.usage import Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.exact import FRACTION, ONE, number
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.errors import BeyondRangesError, ColumnTooLargeError, NothingLeftError, RangeMissingError
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.judged_sums import check_sizes
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.model import Fitted
from medspace.learning.glm.service import GlmAlgorithm
from medspace.learning.glm.task import parse
from medspace.learning.glm.totals import MOST_MEASURED, MOST_ROWS, MOST_VALUE
from medspace.privacy.errors import DisclosureError
from medspace.runs.errors import AnswerInvalidError, RunError, TaskInvalidError
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from medspace.runs.masked.ports import Shape, TaskQuestion
from tests.admissions import admission
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.simulated import ALL_ON, SimulatedSites, TableRows, coordinator, seats, split
from tests.workplaces import workplace

LIMB = 192  # bits of the ring that masked sums are added in
FAMILIES = ("binomial", "gaussian", "poisson")


def document(family, **changes):
    return {
        "family": family,
        "target": "y",
        "features": [{"name": "x"}, {"name": "c", "kind": "coded", "levels": ["p", "q", "r"]}],
        "purpose": "research",
        "protection": "masked-sums",
        **changes,
    }


def rows(family, count=400, seed=1):
    source = np.random.default_rng(seed)
    x = source.normal(size=count)
    target = {
        "binomial": (source.random(count) < 1.0 / (1.0 + np.exp(-x))).astype(float),
        "gaussian": 3.0 * x + source.normal(size=count),
        "poisson": source.poisson(np.exp(x / 3.0)).astype(float),
    }[family]
    x[source.random(count) < 0.1] = np.nan
    return {"x": x, "c": source.choice(["p", "q", "r"], count).tolist(), "y": target}


KEPT = {}


def recorded(family):
    """A run over four sites, made once."""
    if family not in KEPT:
        columns = rows(family)
        run = MaskedRun(document(family), split(columns, [row % 4 for row in range(400)]), least=10)
        KEPT[family] = run, run.outcome()
    return KEPT[family]


def step(family, name):
    """State and total of the first round of a name."""
    run, _ = recorded(family)
    return next(
        (state, total)
        for state, total in zip(run.states, run.totals, strict=False)
        if run.summed.asked(state).name == name
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_totals_are_the_sums_over_all_rows(family):
    run, _ = recorded(family)
    columns = rows(family)
    _, total = step(family, "moments")
    x = columns["x"][~np.isnan(columns["x"])]
    assert [value >> FRACTION for value in total[:4]] == [400, 400, 400 - len(x), 0]
    sums = [x.sum(), columns["c"].count("q"), columns["c"].count("r"), 0.0]
    squares = [np.square(x).sum(), *sums[1:]]
    assert [number(value) for value in total[4:]] == pytest.approx([*sums, *squares, columns["y"].sum()], rel=1e-12)
    _, total = step(family, "newton")
    width = len(run.states[1]["beta"])
    assert len(total) == 2 + width + width * (width + 1) // 2
    _, total = step(family, "evaluation")
    assert len(total) == 4 + (2 * 4000 + 3 * 10) * (family == "binomial")
    assert total[0] == 400 * ONE


@pytest.mark.parametrize("family", FAMILIES)
def test_no_sum_of_ten_sites_of_ten_million_rows_leaves_the_ring(family):
    run, _ = recorded(family)
    for state in run.states[:-1]:
        full = state | ({"rows": 10**8} if state["rows"] else {})
        shape = run.summed.shape(full)
        assert (len(shape.largest), shape.fraction) == (shape.count, FRACTION)
        assert max(shape.largest) * 10 < 2 ** (LIMB - 1)
    squares = run.summed.shape(run.states[0]).largest[8]
    assert squares >= 10**8 * (10**6) ** 2 * ONE


EDGES = {"binomial": 1.0, "gaussian": float(MOST_MEASURED), "poisson": float(MOST_VALUE)}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("steep", "start"), [(0.0, 0.0), (5.9, 0.0), (-5.9, 99.0), (5.9, -99.0)])
def test_the_largest_numbers_that_masks_carry_stay_within_the_bound(family, steep, start):
    # Every value at one end of its range, few at the other, the predictor as steep as a site answers about, or more.
    ends = [float(MOST_VALUE)] * 4 + [-float(MOST_VALUE)] * 36
    low = -EDGES[family] if family == "gaussian" else 0.0
    columns = {"x": ends, "c": ["p", "q"] * 20, "y": [low, EDGES[family]] * 20}
    off = replace(ALL_ON, heaviest=False, exposure=False, coarsening=False)
    task = document(
        family, missing="drop", features=[{"name": "x"}, {"name": "c", "kind": "coded", "levels": ["p", "q"]}]
    )
    run = MaskedRun(task, split(columns, [row % 2 for row in range(40)]), 0, off)
    state = run.step(run.summed.first())
    asked, shape = run.summed.asked(state), run.summed.shape(state)
    unit = 2.0 * MOST_MEASURED if family == "gaussian" else 1.0
    beta = [start * unit, steep * unit / 3.4, 0.0]
    found = [add(run, TaskQuestion("newton", asked.inputs | {"beta": beta}), shape, site) for site in run.tables]
    assert all(abs(value) <= most for own, _ in found for value, most in zip(own, shape.largest, strict=True))


def changed(total, *changes):
    made = list(total)
    for place, value in changes:
        made[place] = value(made[place]) if callable(value) else value
    return made


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["moments", "newton", "evaluation"])
def test_right_totals_pass(family, name):
    run, _ = recorded(family)
    state, total = step(family, name)
    run.summed.check(state, total, 4)


WRONG = {
    "moments: a number too few": ("poisson", "moments", lambda t: t[:-1]),
    "moments: beyond what sites can hold": ("gaussian", "moments", lambda t: changed(t, (4, 1 << 190))),
    "moments: negative rows": ("gaussian", "moments", lambda t: changed(t, (0, -ONE))),
    "moments: no rows": ("gaussian", "moments", lambda t: changed(t, (0, 0), (1, 0), (2, 0), (3, 0))),
    "moments: more persons than rows": ("gaussian", "moments", lambda t: changed(t, (1, lambda v: v + ONE))),
    "moments: too few persons": ("gaussian", "moments", lambda t: changed(t, (1, 3 * ONE))),
    "moments: half a person": ("gaussian", "moments", lambda t: changed(t, (1, lambda v: v - ONE // 2))),
    "moments: more missing than rows": ("gaussian", "moments", lambda t: changed(t, (2, lambda v: v + 400 * ONE))),
    "moments: squares too small": ("gaussian", "moments", lambda t: changed(t, (4, 300 * ONE), (8, ONE))),
    "moments: a negative square": ("gaussian", "moments", lambda t: changed(t, (4, 0), (8, -ONE))),
    "moments: half a code": ("gaussian", "moments", lambda t: changed(t, (5, 3 * ONE // 2), (9, 3 * ONE // 2))),
    "moments: squares of codes": ("gaussian", "moments", lambda t: changed(t, (9, lambda v: v + ONE))),
    "moments: more codes than rows": ("gaussian", "moments", lambda t: changed(t, (5, 399 * ONE), (9, 399 * ONE))),
    "moments: more cases than rows": ("binomial", "moments", lambda t: changed(t, (-1, 401 * ONE))),
    "moments: half a case": ("binomial", "moments", lambda t: changed(t, (-1, 3 * ONE // 2))),
    "moments: negative counts": ("poisson", "moments", lambda t: changed(t, (-1, -ONE))),
    "newton: other rows": ("gaussian", "newton", lambda t: changed(t, (0, lambda v: v - ONE))),
    "newton: a negative deviance": ("gaussian", "newton", lambda t: changed(t, (1, -ONE))),
    "newton: beyond what sites can hold": ("binomial", "newton", lambda t: changed(t, (2, 1 << 190))),
    "newton: a negative diagonal": ("poisson", "newton", lambda t: changed(t, (-1, -ONE))),
    "newton: no Hessian": ("poisson", "newton", lambda t: changed(t, (-2, lambda v: v + 600 * ONE))),
    "newton: a weight above a quarter": ("binomial", "newton", lambda t: changed(t, (7, 101 * ONE))),
    "newton: residuals above one": ("binomial", "newton", lambda t: changed(t, (2, 401 * ONE))),
    "newton: a weight that is not one": ("gaussian", "newton", lambda t: changed(t, (7, 399 * ONE))),
    "evaluation: negative squares": ("poisson", "evaluation", lambda t: changed(t, (2, -ONE))),
    "evaluation: a negative deviance": ("poisson", "evaluation", lambda t: changed(t, (3, -ONE))),
    "evaluation: too few persons": ("poisson", "evaluation", lambda t: changed(t, (1, ONE))),
    "evaluation: one case more": ("binomial", "evaluation", lambda t: changed(t, (9, lambda v: v + ONE))),
    "evaluation: half a case": ("binomial", "evaluation", lambda t: changed(t, (9, lambda v: v + ONE // 2))),
    "evaluation: a negative count": ("binomial", "evaluation", lambda t: changed(t, (9, -ONE))),
    "evaluation: a row too many": ("binomial", "evaluation", lambda t: changed(t, (-25, lambda v: v + ONE))),
    "evaluation: a target too many": ("binomial", "evaluation", lambda t: changed(t, (-15, lambda v: v + ONE))),
    "evaluation: chances above one": ("binomial", "evaluation", lambda t: changed(t, (-5, 400 * ONE))),
    "evaluation: negative chances": ("binomial", "evaluation", lambda t: changed(t, (-5, -1))),
}


@pytest.mark.parametrize("case", WRONG)
def test_totals_that_cannot_be_right_end_the_run_and_name_nobody(case):
    family, name, spoilt = WRONG[case]
    run, _ = recorded(family)
    state, total = step(family, name)
    with pytest.raises(TotalInvalidError) as caught:
        run.summed.check(state, spoilt(list(total)), 4)
    assert caught.value.code == "masked.total_invalid"
    assert "did:" not in str(caught.value)


def test_dropped_rows_have_no_gaps():
    run = MaskedRun(document("gaussian", missing="drop"), split(rows("gaussian"), [row % 4 for row in range(400)]))
    state = run.summed.first()
    total = run.total(state, 1)
    run.summed.check(state, total, 4)
    with pytest.raises(TotalInvalidError):
        run.summed.check(state, changed(total, (2, ONE)), 4)


def asked_of(family="binomial", name="newton", **changes):
    run, _ = recorded(family)
    state, _ = step(family, name)
    asked = run.summed.asked(state)
    return TaskQuestion(asked.name, asked.inputs | changes), run.summed.shape(state)


def add(run, asked, shape, site=None, **admitted):
    site = site or next(iter(run.tables))
    allowed = replace(run.admitted(site), **admitted)
    return run.tasks.summing.sums(allowed, run.document, asked, shape, run.material(site), 2)


def test_a_sites_own_rules_hold_under_masks():
    run, _ = recorded("binomial")
    asked, shape = asked_of()
    assert add(run, asked, shape)[1] >= 10
    with pytest.raises(DisclosureError):
        add(run, asked, shape, min_cohort=101)
    far, _ = asked_of(beta=[0.0, 900.0, 0.0, 0.0, 0.0])
    with pytest.raises(BeyondRangesError):
        add(run, far, shape)
    # A plane between persons weighs a few of them only.
    steep, _ = asked_of(beta=[14.0, 12.0, 0.0, 0.0, 0.0])
    with pytest.raises(DisclosureError):
        add(run, steep, shape)
    with pytest.raises(StepInvalidError):
        add(run, TaskQuestion("gradient", asked.inputs), shape)
    with pytest.raises(NothingLeftError):
        run.tasks.summing.sums(admission(), run.document, asked, shape, None, 2)


def test_what_was_answered_before_is_audited_under_masks():
    run, _ = recorded("binomial")
    site = next(iter(run.tables))
    asked, _ = asked_of(name="moments")
    columns = run.tables[site]
    # The same task with one row left out by a gap that another feature has: the difference is that person.
    gap = [np.nan if row == 3 else 1.0 + row % 2 for row in range(100)]
    table = TableRows({**columns, "g": gap}, 100)
    other = document("binomial", missing="drop", features=[{"name": "g"}])
    plain = document("binomial", missing="drop", features=[{"name": "c", "kind": "coded", "levels": ["p", "q", "r"]}])
    tasks = MaskedGlms()
    history = (Step(plain, 1, "moments", {}),)
    allowed = admission(asset=site, min_cohort=10, history=history)
    first = tasks.summed(other)
    with pytest.raises(DisclosureError):
        tasks.summing.sums(allowed, other, asked, first.shape(first.first()), table, 1)
    alone = replace(allowed, history=())
    assert tasks.summing.sums(alone, other, asked, first.shape(first.first()), table, 1)[1] == 99


def test_numbers_that_masks_do_not_carry_are_said_with_their_column():
    def described(**spans):
        columns = [Column(name, ColumnType.NUMBER, minimum=-span, maximum=span) for name, span in spans.items()]
        return Dictionary("Rows", (*columns, Column("c", ColumnType.CODE)))

    check_sizes(parse(document("gaussian")), described(x=float(MOST_VALUE), y=float(MOST_MEASURED)))
    for family, spans, column in (
        ("gaussian", {"x": MOST_VALUE + 1.0, "y": 1.0}, "x"),
        ("gaussian", {"x": 1.0, "y": MOST_MEASURED + 1.0}, "y"),
        ("poisson", {"x": 1.0, "y": MOST_VALUE + 1.0}, "y"),
    ):
        with pytest.raises(ColumnTooLargeError) as caught:
            check_sizes(parse(document(family)), described(**spans))
        assert f"column {column} " in str(caught.value)
    check_sizes(parse(document("binomial", target="y > 0")), described(x=1.0, y=1e12))
    bare = Dictionary(
        "Rows", (Column("x", ColumnType.NUMBER), Column("y", ColumnType.NUMBER), Column("c", ColumnType.CODE))
    )
    check_sizes(parse(document("gaussian")), bare)


def test_a_number_without_a_range_is_not_summed():
    run, _ = recorded("gaussian")
    site = next(iter(run.tables))
    plain = tuple(replace(column, minimum=None, maximum=None) for column in run.described.columns)
    table = TableRows(run.tables[site], 100, replace(run.described, columns=plain))
    asked, shape = asked_of("gaussian", "moments")
    with pytest.raises(RangeMissingError):
        run.tasks.summing.sums(run.admitted(site), run.document, asked, shape, table, 1)


def test_sums_beyond_the_bound_do_not_leave():
    run, _ = recorded("binomial")
    asked, shape = asked_of()
    for narrow in (Shape(shape.count, FRACTION, ONE), Shape(shape.count - 1, FRACTION, shape.largest[1:])):
        with pytest.raises(StepInvalidError):
            add(run, asked, narrow)
    wide = Shape(shape.count, FRACTION, MOST_ROWS << FRACTION + 40)
    assert add(run, asked, wide) == add(run, asked, shape)


def test_sums_that_are_not_finite_do_not_leave():
    run, _ = recorded("poisson")
    asked, shape = asked_of("poisson", beta=[700.0, 1e140, 0.0, 0.0, 0.0])
    off = replace(run.brakes, bounds=False, heaviest=False, exposure=False)
    with pytest.raises(StepInvalidError):
        add(run, asked, shape, brakes=off, min_cohort=0)


def own_of(run, site):
    asked, _ = asked_of(name="evaluation")
    return run.tasks.summing.own_quality(run.admitted(site), run.document, asked, run.material(site), 9)


def test_a_site_that_offers_its_own_quality_is_in_the_model_and_no_other():
    run, outcome = recorded("binomial")
    sites = tuple(run.tables)
    own, persons = own_of(run, sites[1])
    assert 10 <= persons <= 100
    assert (own["rows"], own["persons"]) == (100, 100)
    said = msgspec.json.decode(msgspec.json.encode(own))
    fitted = msgspec.convert(run.summed.result(outcome, sites, {sites[1]: said}).content, Fitted)
    assert [(one.site, one.rows, one.persons) for one in fitted.sites] == [(sites[1], 100, 100)]
    assert 0.5 < fitted.sites[0].quality.auc < 1.0
    # Groups of at least ten persons: coarser than the total, of which nobody sees one site's part.
    assert fitted.sites[0].quality.auc_resolution > fitted.pooled.auc_resolution
    seen = GlmEngine().answer(
        run.admitted(sites[1]),
        Step(
            {**run.document, "protection": "coordinator-sees-sums"},
            9,
            "evaluation",
            asked_of(name="evaluation")[0].inputs,
        ),
        workplace(SimulatedSites(run.tables), run.admitted(sites[1])),
    )
    assert msgspec.to_builtins(msgspec.convert(seen.values["quality"], Quality)) == own["quality"]


def test_own_quality_is_of_the_last_question_and_of_enough_persons():
    run, _ = recorded("binomial")
    site = next(iter(run.tables))
    for name in ("moments", "newton"):
        asked, _ = asked_of(name=name)
        assert run.tasks.summing.own_quality(run.admitted(site), run.document, asked, run.material(site), 9) is None
    asked, _ = asked_of(name="evaluation")
    strict = replace(run.admitted(site), min_cohort=101)
    with pytest.raises(DisclosureError):
        run.tasks.summing.own_quality(strict, run.document, asked, run.material(site), 9)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda outcome: {},
        lambda outcome: outcome | {"more": 1},
        lambda outcome: outcome | {"beta": outcome["beta"][1:]},
        lambda outcome: outcome | {"covariance": outcome["covariance"][1:]},
        lambda outcome: outcome | {"beta": ["x"] * len(outcome["beta"])},
        lambda outcome: (
            outcome | {"layout": outcome["layout"] | {"scale": ["0.0"] * len(outcome["layout"]["scale"])}}
        ),
        lambda outcome: outcome | {"layout": outcome["layout"] | {"kept": [9] * len(outcome["layout"]["kept"])}},
        lambda outcome: outcome | {"layout": outcome["layout"] | {"centre": []}},
        lambda outcome: outcome | {"layout": outcome["layout"] | {"fill": []}},
    ],
)
def test_what_is_no_outcome_of_the_task_makes_no_model(spoilt):
    run, outcome = recorded("binomial")
    assert run.summed.result(outcome, ("did:web:a",), {}).rows == 400
    with pytest.raises(RunError):
        run.summed.result(again(spoilt(outcome)), ("did:web:a",), {})


def test_a_quality_that_is_none_names_its_site():
    run, outcome = recorded("binomial")
    with pytest.raises(AnswerInvalidError) as caught:
        run.summed.result(outcome, ("did:web:a",), {"did:web:a": {"rows": "many"}})
    assert "did:web:a" in str(caught.value)


def test_whoever_proposed_is_named_by_the_protocol():
    error = ProposalInvalidError(3, "no step is due now").of("did:web:liar")
    assert "did:web:liar proposed after round 3" in str(error)


def test_a_task_says_its_protection_and_keeps_its_digest_without():
    plain = {name: value for name, value in document("gaussian").items() if name != "protection"}
    seen, masked = parse(plain), parse(document("gaussian"))
    assert parse(plain | {"protection": "coordinator-sees-sums"}) == seen
    assert "protection" not in seen.document()
    assert masked.document() == seen.document() | {"protection": "masked-sums"}
    assert parse(masked.document()) == masked
    assert masked.digest() != seen.digest()
    assert canonical(masked.document())
    with pytest.raises(TaskInvalidError):
        parse(plain | {"protection": "none"})
    engine, algorithm = GlmEngine(), GlmAlgorithm()
    assert engine.protection(plain) == algorithm.prepare(plain).demands.protection == COORDINATOR_SEES_SUMS
    assert engine.protection(masked.document()) == MASKED_SUMS
    assert algorithm.prepare(masked.document()).demands.protection == MASKED_SUMS


@pytest.mark.parametrize("name", ["moments", "newton", "evaluation"])
def test_no_sum_of_a_masked_task_leaves_one_by_one(name):
    run, _ = recorded("binomial")
    site = next(iter(run.tables))
    asked, _ = asked_of(name=name)
    source = SimulatedSites(run.tables)
    for protection, refused in (("masked-sums", True), ("coordinator-sees-sums", False)):
        question = Step({**run.document, "protection": protection}, 2, name, asked.inputs)
        if refused:
            with pytest.raises(StepInvalidError) as caught:
                GlmEngine().answer(run.admitted(site), question, workplace(source, run.admitted(site)))
            assert "does not belong to the protection of the task" in str(caught.value)
        else:
            assert GlmEngine().answer(run.admitted(site), question, workplace(source, run.admitted(site))).cohort


async def test_whoever_leads_a_masked_task_as_if_it_were_none_gets_nothing():
    sites = SimulatedSites(split(rows("binomial"), [row % 4 for row in range(400)]))
    done = await coordinator(sites).train(document("binomial"), seats(sites.tables))
    assert done.model is None
    assert done.failure is not None
