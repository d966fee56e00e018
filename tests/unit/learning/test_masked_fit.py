"""Under masks the fit is the pooled fit, and every site follows it to the same bits."""

import asyncio
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core._multiarray_umath import __cpu_features__

from medspace.core.canonical import canonical
from medspace.core.errors import MedspaceError
from medspace.learning.exact import ONE, fixed, number, triangle
from medspace.learning.glm import maths
from medspace.learning.glm.design import Layout, design, sample
from medspace.learning.glm.errors import NotConvergedError, SeparatedError, SingularError
from medspace.learning.glm.following import read
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.model import FitPhase, Fitted
from medspace.learning.glm.outcome import read as fitted_of
from medspace.learning.glm.task import parse
from medspace.learning.using.glm import score
from medspace.runs.errors import RunError
from medspace.runs.masked.errors import ProposalInvalidError
from tests.unit.learning import hearts, reweighted
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.simulated import ALL_ON, EXACT, SimulatedSites, coordinator, fitted, seats, split
from tests.unit.learning.test_evaluation import auc
from tests.unit.learning.test_learning_fit import FAMILIES, SUBSET, TARGETS, by_hand, heart_task, rows_of


def masked(document, tables, least=1):
    return MaskedRun(document | {"protection": "masked-sums"}, tables, least)


def content(result):
    return msgspec.convert(result.content, Fitted)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("standardise", [True, False])
def test_four_hospitals_equal_the_pooled_fit_of_statsmodels(family, standardise):
    tables = hearts.hospitals()
    document = heart_task(family, missing="drop", standardise=standardise)
    run = masked(document, tables)
    result = run.fitted()
    found = content(result)
    values, _, target = by_hand(parse(document), hearts.pooled(tables))
    usable = ~np.isnan(values).any(axis=1) & ~np.isnan(target)
    oracle = sm.GLM(target[usable], sm.add_constant(values[usable]), family=FAMILIES[family]())
    oracle = oracle.fit(tol=1e-14, maxiter=100)
    assert np.abs([float(term.coefficient) for term in found.terms] - oracle.params).max() <= 1e-8
    assert [float(term.standard_error) for term in found.terms] == pytest.approx(oracle.bse, rel=2**-13)
    assert float(found.deviance) == pytest.approx(oracle.deviance, rel=1e-9)
    assert (result.rows, found.persons) == (usable.sum(), usable.sum())
    assert result.sites == tuple(tables)
    assert (found.sites, found.joined) == ((), ())
    assert len(run.states) <= 11


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize(
    "changes",
    [
        {"l2": 2.5},
        {"l2": 40.0, "standardise": False},
        {"missing": "drop"},
        {"intercept": False, "standardise": False, "missing": "drop"},
    ],
)
def test_penalties_gaps_and_levels_equal_reweighted_least_squares_on_the_pooled_rows(family, changes):
    plain = "missing" in changes or "intercept" in changes
    names = [name for name in (SUBSET if plain else hearts.FIELDS[:-1]) if name != TARGETS[family]]
    document = heart_task(family, names, **changes) | {"max_rounds": 40}
    tables = hearts.hospitals()
    found = content(masked(document, tables).fitted())
    oracle = reweighted.coefficients(parse(document), [rows_of(columns) for columns in tables.values()])
    ours = {term.name: float(term.coefficient) for term in found.terms if term.standard_error is not None}
    assert ours.keys() == oracle.keys()
    assert max(abs(ours[name] - oracle[name]) for name in ours) <= 1e-8


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_the_model_is_that_of_a_run_whose_sums_are_seen(family):
    names = [name for name in hearts.FIELDS[:-1] if name != TARGETS[family]]
    document = heart_task(family, names, l2=1.0)
    tables = hearts.hospitals()
    seen = fitted_of(await fitted(document, tables, ALL_ON, least=5))
    found = content(masked(document, tables, least=5).fitted())
    assert [term.name for term in found.terms] == [term.name for term in seen.terms]
    for ours, theirs in zip(found.terms, seen.terms, strict=True):
        assert float(ours.coefficient) == pytest.approx(float(theirs.coefficient), rel=1e-4, abs=1e-4)
        assert float(ours.standard_error or 0) == pytest.approx(float(theirs.standard_error or 0), rel=2**-12)
        assert (ours.fill is None) == (theirs.fill is None)
    assert (found.persons, found.uncarried) == (seen.persons, seen.uncarried)
    assert found.pooled.rmse == pytest.approx(seen.pooled.rmse, rel=1e-4)


def test_quality_over_all_sites_is_finer_than_with_groups_of_persons():
    tables = hearts.hospitals()
    run = masked(hearts.task(l2=1.0), tables, least=5)
    result = run.fitted()
    pooled = content(result).pooled
    # What the sites summed: levels that few of a site have are joined there, so the oracle predicts their rows alike.
    document = hearts.task(l2=1.0)
    exactly = masked(document, tables)
    model = SimpleNamespace(task=document, result=exactly.fitted().content)
    chances = np.concatenate([score(model, rows_of(columns)) for columns in tables.values()])
    target = np.concatenate([np.array(columns["num"]) > 0 for columns in tables.values()])
    found = content(exactly.summed.result(exactly.summed.outcome(exactly.states[-1]), tuple(tables), {})).pooled
    assert abs(found.auc - auc(target.astype(float), chances)) <= found.auc_resolution + 1e-12
    assert found.brier == pytest.approx(np.square(chances - target).mean(), rel=1e-9)
    place = np.minimum((chances * 10).astype(int), 9)
    gaps = [abs(target[place == group].sum() - chances[place == group].sum()) for group in range(10)]
    assert found.ece == pytest.approx(sum(gaps) / len(target), rel=1e-9)
    assert found.auc_resolution < 3e-4
    assert pooled.auc_resolution < 3e-4


async def test_counts_of_groups_are_coarser():
    tables = hearts.hospitals()
    seen = fitted_of(await fitted(hearts.task(l2=1.0), tables, ALL_ON, least=5)).pooled
    assert (
        seen.auc_resolution
        > 10 * content(masked(hearts.task(l2=1.0), tables, least=5).fitted()).pooled.auc_resolution
    )


def rows_at_random(count, seed, **columns):
    source = np.random.default_rng(seed)
    return source, {name: source.normal(size=count) for name in ("a", "b")} | columns


def two_columns(family, **changes):
    return {
        "family": family,
        "target": "y",
        "features": [{"name": "a"}, {"name": "b"}],
        "purpose": "research",
        "missing": "drop",
        **changes,
    }


def test_held_out_rows_are_counted_by_themselves():
    source, columns = rows_at_random(600, 3)
    columns["y"] = (source.random(600) < 0.4).astype(float)
    run = masked(two_columns("binomial", evaluation={"holdout": 0.3}), split(columns, source.integers(0, 4, 600)))
    result = run.fitted()
    found = content(result)
    assert found.measured_on == "held-out rows"
    assert result.rows + found.pooled.rows == 600
    assert 120 < found.pooled.rows < 240


def test_rows_that_fit_perfectly_converge():
    values = [float(value) for value in range(60)]
    columns = {"a": values, "b": [value * value for value in values], "y": [3.0 * value - 7.0 for value in values]}
    found = content(masked(two_columns("gaussian"), split(columns, [row % 4 for row in range(60)])).fitted())
    assert [float(term.coefficient) for term in found.terms] == pytest.approx([-7.0, 3.0, 0.0], abs=1e-9)


def test_columns_that_explain_each_other():
    source, columns = rows_at_random(400, 4)
    columns |= {"y": columns["a"] + source.normal(size=400), "b": 2.0 * columns["a"] + 1.0}
    tables = split(columns, source.integers(0, 4, 400))
    with pytest.raises(SingularError):
        masked(two_columns("gaussian"), tables).outcome()
    found = content(masked(two_columns("gaussian", l2=0.5), tables).fitted())
    assert all(np.isfinite(float(term.standard_error)) for term in found.terms)


@pytest.mark.parametrize("few", [True, False])
def test_columns_that_tell_the_outcome(few):
    source, columns = rows_at_random(3000, 12)
    sign = source.random(3000) < 0.03
    columns["a"] = sign.astype(float) if few else columns["a"]
    columns["y"] = ((sign if few else columns["a"] > 0.3) | (few & (source.random(3000) < 0.2))).astype(float)
    run = masked(two_columns("binomial"), split(columns, source.integers(0, 4, 3000)), least=10)
    with pytest.raises(SeparatedError):
        run.outcome()
    assert len(run.states) <= 13


def test_columns_that_tell_the_outcome_within_too_few_rounds():
    source, columns = rows_at_random(3000, 12)
    columns["y"] = (columns["a"] > 0.3).astype(float)
    run = masked(two_columns("binomial", max_rounds=7), split(columns, source.integers(0, 4, 3000)))
    with pytest.raises(SeparatedError):
        run.outcome()


def test_too_few_rounds():
    source, columns = rows_at_random(400, 5)
    columns["y"] = (source.random(400) < 1.0 / (1.0 + np.exp(-columns["a"]))).astype(float)
    tables = split(columns, source.integers(0, 4, 400))
    with pytest.raises(NotConvergedError):
        masked(two_columns("binomial", max_rounds=3), tables).outcome()
    with pytest.raises(NotConvergedError):
        masked(two_columns("binomial", max_rounds=3, l2=1.0), tables).outcome()
    run = masked(two_columns("binomial", max_rounds=25), tables)
    run.outcome()
    rounds = len(run.totals)
    again_ = masked(two_columns("binomial", max_rounds=rounds), tables)
    assert again_.outcome() == run.summed.outcome(run.states[-1])


def total_of(task, part, asked):
    """The total of rows that no site holds, at whatever question: where nothing is clipped or withheld."""
    layout = msgspec.convert(asked.inputs["layout"], Layout)
    matrix = design(task, layout, part.values)
    found = maths.curvature(task.family, matrix, part.target, matrix @ np.array(asked.inputs["beta"]))
    sums = [found.deviance, *found.gradient.tolist(), *triangle(found.hessian.tolist())]
    return [found.rows * ONE, *map(fixed, sums)]


def test_a_step_too_far_is_halved_until_the_objective_falls_and_nothing_may_be_proposed_then():
    # A huge count far out: from zero the first Poisson step overshoots by orders of magnitude.
    columns = {"a": [0.0] * 50 + [1.0], "b": [0.0, 1.0] * 25 + [0.0], "y": [1.0] * 50 + [1e6]}
    document = two_columns("poisson", max_rounds=100, standardise=False)
    task, summed = parse(document), MaskedGlms().summed(document)
    part = sample(task, rows_of(columns)).fitted
    moments = maths.moments(task, part)
    numbers = [*moments.sums.tolist(), *moments.squares.tolist(), moments.target_sum]
    state = again(summed.follow(summed.first(), [51 * ONE, 51 * ONE, 0, 0, *map(fixed, numbers)], {}))
    state |= {"beta": ["0"] * 3, "base": ["0"] * 3}
    halved = 0
    while (asked := summed.asked(state)).name == "newton":
        total = total_of(task, part, asked)
        proposal = summed.propose(state, total)
        after = again(summed.follow(state, total, proposal))
        if not proposal:
            halved += 1
            assert (after["base"], after["objectives"]) == (state["base"], state["objectives"])
            with pytest.raises(ProposalInvalidError):
                summed.follow(state, total, {"step": ["1"] * 3})
        state = after
    assert halved > 0
    objectives = [float(text) for text in state["objectives"]]
    assert all(now <= before + 1e-6 * (before + 1.0) for before, now in pairwise(objectives))
    assert summed.objective(state) == state["objectives"][-1]
    found = [number(int(text)) for text in state["beta"]]
    slopes = np.array(found[1:]) / np.array([float(text) for text in state["layout"]["scale"]])
    assert slopes == pytest.approx((np.log(1e6), 0.0), abs=1e-7)


def test_states_and_outcome_are_canonical_and_what_is_not_done_has_none():
    tables = hearts.hospitals()
    run = masked(heart_task("binomial", missing="drop"), tables)
    assert run.summed.objective(run.summed.first()) is None
    with pytest.raises(RunError):
        run.summed.outcome(run.summed.first())
    outcome = run.outcome()
    for document in (*run.states, *run.proposals, outcome):
        assert again(document) == document
    assert [read(state).phase for state in (run.states[0], run.states[1], run.states[-2], run.states[-1])] == [
        FitPhase.MOMENTS,
        FitPhase.NEWTON,
        FitPhase.EVALUATION,
        FitPhase.DONE,
    ]
    assert run.summed.asked(run.states[-1]) is None
    # Nothing of the totals is handed over but this: p, p (p + 1) / 2, the layout, objectives, and the quality.
    width = len(outcome["beta"])
    assert set(outcome) == {
        "rows", "persons", "layout", "beta", "covariance", "deviance", "objectives", "quality"
    }  # fmt: skip
    assert len(outcome["covariance"]) == width * (width + 1) // 2
    # And the covariance no finer than standard errors need: whole multiples of 2^-12 of what bounds each element.
    upper = np.zeros((width, width))
    upper[np.triu_indices(width)] = [float(one) for one in outcome["covariance"]]
    errors = np.sqrt(np.diag(upper))
    quanta = 2.0 ** (np.frexp(np.outer(errors, errors) * (1 - 2.0**-12))[1] - 12.0)
    assert (upper == np.round(upper / quanta) * quanta).all()
    assert all(not isinstance(value, list) for value in outcome["quality"].values())


def vectors_of(run, state, number):
    return [run.sums(site, state, number) for site in run.tables]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.sets(st.integers(1, 3)))
def test_whatever_the_order_and_grouping_of_sites_the_state_is_the_same(order, cuts):
    run, steps = recorded()
    for state, vectors, proposal, after in steps:
        groups = [order[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 4], strict=True)]
        sums = [[sum(values) for values in zip(*(vectors[site] for site in group), strict=True)] for group in groups]
        total = [sum(values) for values in zip(*sums, strict=True)]
        assert canonical(run.summed.follow(state, total, proposal)) == canonical(after)


KEPT = {}


def recorded():
    """A run with what each site added, made once."""
    if not KEPT:
        run = masked(heart_task("binomial", l2=1.0), hearts.hospitals())
        state, steps = again(run.summed.first()), []
        while run.summed.asked(state) is not None:
            number = len(steps) + 1
            vectors = vectors_of(run, state, number)
            total = [sum(values) for values in zip(*vectors, strict=True)]
            proposal = again(run.summed.propose(state, total))
            after = again(run.summed.follow(state, total, proposal))
            steps.append((state, vectors, proposal, after))
            state = after
        KEPT["run"] = run, steps
    return KEPT["run"]


def totalled(vectors):
    return [sum(values) for values in zip(*vectors, strict=True)]


def test_a_proposal_changed_by_a_few_units_beyond_the_bound_is_refused():
    run, steps = recorded()
    state, vectors, proposal, _ = steps[1]
    total, step = totalled(vectors), [int(text) for text in proposal["step"]]

    def passes(place, change):
        changed = [str(value + change * (at == place)) for at, value in enumerate(step)]
        try:
            run.summed.follow(state, total, {"step": changed})
        except ProposalInvalidError:
            return False
        return True

    for place in range(len(step)):
        inside, outside = 0, 1 << 96
        assert passes(place, inside)
        assert not passes(place, outside)
        while outside - inside > 1:
            middle = (inside + outside) // 2
            inside, outside = (middle, outside) if passes(place, middle) else (inside, middle)
        assert not passes(place, inside + 3)
        assert inside < max(map(abs, step)) >> 50  # double precision has 53 bits: nothing of use is free


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda step: {},
        lambda step: {"step": step[:-1]},
        lambda step: {"step": [*step, "0"]},
        lambda step: {"step": [int(value) % 1000 for value in step]},
        lambda step: {"step": ["00", *step[1:]]},
        lambda step: {"step": ["-0", *step[1:]]},
        lambda step: {"step": ["1e5", *step[1:]]},
        lambda step: {"step": ["9" * 5000, *step[1:]]},
        lambda step: {"step": ["9" * 64, *step[1:]]},
        lambda step: {"step": ["nan", *step[1:]]},
        lambda step: {"step": "1"},
        lambda step: {"step": step, "beta": step},
        lambda step: {"step": ["0"] * len(step)},
        lambda step: {"step": [str(2 * int(value)) for value in step]},
        lambda step: {"step": step[::-1]},
        lambda step: [],
        lambda step: None,
    ],
)
def test_what_is_no_step_of_the_total_is_refused(spoilt):
    run, steps = recorded()
    state, vectors, proposal, _ = steps[2]
    with pytest.raises(ProposalInvalidError) as caught:
        run.summed.follow(state, totalled(vectors), spoilt(proposal["step"]))
    assert caught.value.code == "masked.proposal_invalid"
    assert len(str(caught.value)) < 400


def test_another_rounds_step_and_a_step_where_none_is_due_are_refused():
    run, steps = recorded()
    step = steps[2][2]
    for place in (0, 1, 3, len(steps) - 1):
        with pytest.raises(ProposalInvalidError):
            run.summed.follow(steps[place][0], totalled(steps[place][1]), step)


CORES = ("Haswell", "Sandybridge", "Nehalem", "SkylakeX", "")
NEEDED = ("X86_V3", "AVX", "SSE42", "X86_V4", "")  # what a processor must have to pretend to be each of them
FEATURES = ("", "X86_V4", "X86_V3 X86_V4", "", "X86_V3 X86_V4")


def test_sites_on_whatever_processor_follow_to_one_outcome(tmp_path):
    run, steps = recorded()
    file = tmp_path / "run.json"
    said = {
        "task": run.document,
        "sites": 4,
        "totals": [[str(value) for value in totalled(vectors)] for _, vectors, _, _ in steps],
        "proposals": [proposal for _, _, proposal, _ in steps],
        "others": [],
    }
    file.write_text(json.dumps(said))
    found = on_processors(file)
    assert len(found) > 1
    assert len({one["outcome"] for one in found}) == 1
    # What one processor proposes, every other accepts, and all follow it to the same state.
    file.write_text(json.dumps(said | {"others": [one["proposals"] for one in found]}))
    found = on_processors(file)
    assert len({json.dumps(one["states"]) for one in found}) == 1
    assert len(found[0]["states"]) == len(steps) * (1 + len(found))
    # Control: numpy's own results differ between them (elsewhere it knows no such processors).
    if os.uname().machine == "x86_64":
        assert len({one["free"] for one in found}) > 1


def on_processors(file):
    """What comes out on each processor that this machine can pretend to be."""
    pretended = zip(CORES, FEATURES, NEEDED, strict=True)
    return [on_processor(file, core, features) for core, features, needed in pretended if has(needed)]


def has(needed):
    """Whether the processor has these instructions; another kind of processor takes no notice of what it shall be."""
    return not needed or os.uname().machine != "x86_64" or __cpu_features__[needed]


def on_processor(file, core, features):
    pretended = {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": features}
    environment = {name: value for name, value in os.environ.items() if name not in pretended}
    environment |= {name: value for name, value in pretended.items() if value}
    call = [sys.executable, "-W", "ignore", "-m", "tests.unit.learning.masked_cpu", str(file)]
    root = Path(__file__).parents[3]
    done = subprocess.run(call, env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_line_of_the_task():
    tasks = MaskedGlms()
    assert (tasks.name, tasks.summed(hearts.task()).task) == ("glm", parse(hearts.task()))


@st.composite
def tasks_and_tables(draw):
    family = draw(st.sampled_from(sorted(FAMILIES)))
    source = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, strength = draw(st.integers(80, 300)), draw(st.sampled_from([0.0, 0.5, 2.0, 8.0]))
    resemblance = draw(st.sampled_from([0.0, 0.9, 0.9999, 1.0]))
    a = source.normal(size=count)
    b = resemblance * a + (1.0 - resemblance) * source.normal(size=count)
    eta = np.clip(strength * (a - b + 0.5 * a), -12.0, 5.0)
    y = {
        "binomial": (source.random(count) < 1.0 / (1.0 + np.exp(-eta))).astype(float),
        "gaussian": eta + draw(st.sampled_from([0.2, 1.0])) * source.normal(size=count),
        "poisson": source.poisson(np.exp(eta)).astype(float),
    }[family]
    a[source.random(count) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    document = two_columns(
        family,
        missing=draw(st.sampled_from(["drop", "indicator+mean"])),
        l2=draw(st.sampled_from([0.0, 1.0])),
        max_rounds=draw(st.sampled_from([3, 40, 40])),  # rounded sums may end a round earlier: never so early
    )
    return document, split({"a": a, "b": b, "y": y}, [row % 3 for row in range(count)])


def seen_run(document, tables):
    """Coefficients, or the code of the failure, of a run whose sums are seen, unrounded."""
    sites = SimulatedSites(tables, brakes=EXACT, least=1)
    leader = coordinator(sites)

    async def run():
        made = await leader.train(document, seats(tables))
        if made.failure is None:
            return fitted_of(await leader.model(made.id))
        return made.faults[0].code if made.faults else made.failure.code

    return asyncio.run(run())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(tasks_and_tables())
def test_every_branch_is_that_of_a_run_whose_sums_are_seen(given_):
    document, tables = given_
    seen = seen_run(document, tables)
    if isinstance(seen, str):
        with pytest.raises(MedspaceError) as caught:
            masked(document, tables).fitted()
        assert caught.value.code == seen
        return
    found = content(masked(document, tables).fitted())
    ours, theirs = (
        {term.name: float(term.coefficient) for term in one.terms if term.standard_error} for one in (found, seen)
    )
    assert ours.keys() == theirs.keys()
    errors = {term.name: float(term.standard_error) for term in seen.terms if term.standard_error}
    assert all(abs(ours[name] - theirs[name]) <= 1e-3 * errors[name] + 1e-8 for name in ours)
