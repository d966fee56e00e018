"""Fits with noise: what they cost, what they find, and that nothing about a single patient decides what is said."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.core.canonical import canonical
from medspace.core.engine import MASKED_SUMS, Workplace, cost_of
from medspace.core.usage import Brakes
from medspace.learning.glm import description
from medspace.learning.glm.design import DesignBlock, raw
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.errors import NoiseHidesError, NothingLeftError
from medspace.learning.glm.noisy import following, stepping, summing
from medspace.learning.glm.noisy.measuring import quality
from medspace.learning.glm.noisy.planning import GRADIENTS, noise_of, plan
from medspace.learning.glm.noisy.summing import told_sums
from medspace.learning.glm.outcome import held
from medspace.learning.glm.service import GlmAlgorithm
from medspace.learning.glm.task import parse
from medspace.privacy.errors import NoiseInvalidError
from medspace.privacy.noise.accounting import epsilon_of, rho_of
from medspace.privacy.noise.clipping import sensitivity
from medspace.privacy.noise.gaussian import LARGEST
from medspace.runs.errors import RunError, TaskInvalidError
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from tests.examples import most
from tests.masked import ADMISSION, CLOCK, Coordinated, Seated, seated
from tests.unit.learning.noisy import GAUSSIAN, NEWTON, POISSON, TASK, NoisyRun, patients
from tests.unit.learning.simulated import PERSON, dictionary_of

MANY = [{"name": f"x{number}", "range": [0, 1]} for number in range(101)]


def changed(**noise):
    return TASK | {"noise": TASK["noise"] | noise}


# --- tasks ---------------------------------------------------------------------------------------------------------
def test_a_task_says_its_noise_and_ranges_in_one_form():
    task = parse(TASK)
    assert parse(task.document()) == task
    assert task.document()["noise"] == {"epsilon": "1.0", "delta": "1e-05", "unit": "patient"}
    assert task.document()["features"][0]["range"] == ["20.0", "100.0"]
    exact = {name: value for name, value in TASK.items() if name != "noise"}
    assert "noise" not in parse(exact).document()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (changed(epsilon=0.0), "epsilon"),
        (changed(epsilon="nan"), "epsilon"),
        (changed(epsilon=-1.0), "epsilon"),
        (changed(epsilon=1e9), "epsilon"),
        (changed(delta=0.5), "delta"),
        (changed(unit="ward"), "unit"),
        (TASK | {"protection": "coordinator-sees-sums"}, "masked-sums"),
        (TASK | {"family": "gaussian", "target": "sick"}, "range of the target sick"),
        (TASK | {"family": "poisson", "target": {"column": "sick", "range": [-1, 5]}}, "begins at 0"),
        (TASK | {"target": {"column": "sick", "comparison": ">", "value": 0, "range": [0, 1]}}, "no range"),
        (TASK | {"target": {"column": "sick", "range": [1, 0]}}, "sick"),
        (GAUSSIAN | {"target": {"column": "dose", "range": [0, "5e-324"]}}, "too narrow"),
        (TASK | {"features": [{"name": "age", "range": [1, "1.0000000001"]}]}, "too narrow"),
        (GAUSSIAN | {"noise": {"epsilon": 1.0, "mechanism": "gradient"}}, "binomial"),
        (changed(mechanism="guess"), "mechanism"),
        (changed(persons=0), "persons"),
        (changed(persons=200_000), "delta"),
        (changed(evaluation=0.9), "evaluation"),
        (changed(mechanism="newton") | {"features": MANY}, "100 columns"),
        (TASK | {"standardise": False}, "standardises"),
        (TASK | {"min_sites": 2}, "min_sites"),
        (TASK | {"features": [{"name": "age"}]}, "age"),
        (TASK | {"features": [{"name": "age", "range": [9, 1]}]}, "age"),
        (TASK | {"features": [{"name": "age", "range": [1, math.inf]}]}, "range"),
        (TASK | {"features": [{"name": "sex", "kind": "coded", "levels": ["f", "m"], "range": [0, 1]}]}, "sex"),
    ],
)
def test_a_task_whose_noise_cannot_be_is_refused_with_the_reason(wrong, said):
    with pytest.raises(TaskInvalidError, match=said):
        parse(wrong)


def test_an_epsilon_too_small_for_its_columns_is_refused_before_anything_is_asked():
    many = [{"name": f"x{number}", "range": [0, 1]} for number in range(240)]
    with pytest.raises(NoiseInvalidError, match="too small"):
        GlmEngine().check(TASK | {"features": many, "noise": {"epsilon": 0.01, "delta": 1e-15}})


# --- what it costs -------------------------------------------------------------------------------------------------
@given(st.floats(0.05, 50.0), st.sampled_from([1e-9, 1e-5, 1e-3]))
def test_a_task_costs_no_more_than_the_epsilon_that_it_states(epsilon, delta):
    cost = cost_of(GlmEngine(), changed(epsilon=epsilon, delta=delta))
    assert len(cost.rho) == 1 + GRADIENTS
    assert 0.95 * rho_of(epsilon, delta) < cost.total <= rho_of(epsilon, delta)
    assert epsilon_of(cost.total, delta) <= epsilon


def test_a_task_without_noise_costs_nothing():
    exact = {name: value for name, value in TASK.items() if name != "noise"}
    GlmEngine().check(exact)
    assert cost_of(GlmEngine(), exact) is None
    for call in (noise_of, plan):
        with pytest.raises(RunError):
            call(parse(exact))


@settings(max_examples=most(40), deadline=None)
@given(st.data())
def test_one_patient_changes_a_total_by_no_more_than_was_paid_for(data):
    """With any rows, at any state; each patient of up to three rows."""
    one = patients(20, seed=3)
    one[PERSON] = [number // 2 for number in range(20)]
    other = {name: [*values] for name, values in one.items()}
    rows = [number for number in range(20) if one[PERSON][number] == 4]
    for row in rows:
        other["age"][row] = data.draw(st.floats(-1e9, 1e9) | st.just(math.nan))
        other["dose"][row] = data.draw(st.floats(0, 10) | st.just(math.nan))
        other["sex"][row] = data.draw(st.sampled_from(["f", "m", None]))
        other["sick"][row] = data.draw(st.sampled_from([0.0, 1.0, math.nan]))
        other["visits"][row] = data.draw(st.sampled_from([0.0, 20.0, 900.0, math.nan]))
    task = data.draw(st.sampled_from([TASK, *NEWTON]))
    run = NoisyRun([one, other], task)
    run.fit(seed=1, shares=0)
    planned = plan(parse(task))
    for total, state in zip(planned.totals, run.states, strict=True):
        a, b = (run.exact(state, rows) for rows in run.sites)
        most = sensitivity(total.norm, total.scale, total.numbers)
        assert sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) <= most**2


@pytest.mark.parametrize("mechanism", ["gradient", "newton"])
def test_what_a_patient_adds_is_the_same_to_the_last_bit_whoever_else_is_there(mechanism):
    """Else who comes or goes could turn the rounding of others, and change a total by more than was paid for."""
    names, chance = [f"x{number}" for number in range(31)], np.random.default_rng(4)
    features = [{"name": name, "range": [0, 1]} for name in names]
    wide = changed(epsilon=10.0, mechanism=mechanism) | {"features": features}
    table = patients(300) | {name: chance.random(300).tolist() for name in names}
    run = NoisyRun([table], wide)
    run.fit(seed=1, shares=0)
    task, asked = parse(wide), run.summed.asked(run.states[2])
    part = DesignBlock(
        raw(task.features, run.sites[0]), np.array(table["sick"]), np.arange(300), (), np.ones(300, bool)
    )
    first = lambda n: replace(part, values=part.values[:n], target=part.target[:n])  # noqa: E731
    added = lambda n: summing._made(task, asked.name, asked, first(n))[0]  # noqa: E731
    whole = added(300)
    assert all((added(n) == whole[:n]).all() for n in range(1, 300))


def test_without_clipping_a_patient_changes_it_by_more():
    """The control: a patient of many rows."""
    one = patients(60, seed=3)
    other = {name: [*values] for name, values in one.items()}
    one[PERSON] = other[PERSON] = [number // 30 for number in range(60)]
    other["sick"][:30] = [1.0 - value for value in one["sick"][:30]]
    most = plan(parse(TASK)).totals[1]
    for clip in (True, False):
        run = NoisyRun([one, other], brakes=Brakes(clipping=clip))
        run.fit(seed=1, shares=0)
        a, b = (run.exact(run.states[1], rows) for rows in run.sites)
        apart = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
        assert (apart > sensitivity(most.norm, most.scale, most.numbers)) is not clip


def test_single_rows_are_protected_where_the_task_says_so():
    table = patients(40)
    table[PERSON] = [0] * 40
    one, each = (NoisyRun([table], changed(unit=unit)) for unit in ("patient", "event"))
    state = one.summed.first()
    # The first number counts: a patient counts once, however many rows there are; rows count each.
    assert abs(one.exact(state, one.sites[0])[0]) * 20 < abs(each.exact(state, each.sites[0])[0])


# --- what it finds -------------------------------------------------------------------------------------------------
def test_with_little_noise_the_model_puts_patients_in_the_order_of_their_risk():
    tables = [patients(500, seed) for seed in range(4)]
    found = held(NoisyRun(tables, changed(epsilon=50.0)).model(seed=1).content)
    terms = {term.name: float(term.coefficient) for term in found.terms}
    assert terms["age"] * 10 > 3 * abs(terms["dose"])
    assert terms["age"] * 40 > 3 * abs(terms["sex=m"])
    assert found.persons == pytest.approx(2000, rel=0.25)  # clipped patients count a little less than one
    assert {term.standard_error for term in found.terms} == {None}
    assert (found.pooled, found.sites, found.noise.epsilon) == (None, (), "50.0")


def told(task, tables, published=None):
    """Terms by name, what people are told in one text, facts."""
    described = description.describe(NoisyRun(tables, task, described=published).model(seed=1), {})
    facts = described.facts
    terms = {one["name"]: one for one in facts["terms"]}
    return terms, " ".join(str(sentence) for sentence in described.sentences), facts


def test_noisy_newton_sums_lead_to_the_fit_of_all_rows_with_intervals_that_hold_the_noise():
    tables = [patients(2000, seed) for seed in range(4)]
    noisy, said, facts = told(changed(epsilon=20.0, persons=8000), tables)
    exact, _, _ = told({name: value for name, value in TASK.items() if name != "noise"}, tables)
    assert facts["noise"]["mechanism"] == "newton"
    for name in ("intercept", "age", "dose", "sex=m"):
        error, least = float(noisy[name]["standard_error"]), float(exact[name]["standard_error"])
        assert abs(float(noisy[name]["coefficient"]) - float(exact[name]["coefficient"])) < 4 * error
        assert least * 0.95 < error < 3 * least
    assert "include the noise" in said


def test_more_sites_than_are_counted_on_add_more_noise_and_intervals_say_so():
    table, errors, halves = patients(3000), [], []
    for shares in (3, 12):
        run = NoisyRun([table], changed(epsilon=5.0, mechanism="newton", evaluation=0.1))
        found = held(run.summed.result(run.fit(seed=1, shares=shares), ["a"], {}).content)
        errors.append(float(found.terms[1].standard_error))
        halves.append(found.pooled.auc_resolution)
    assert errors[0] * 1.1 < errors[1] < errors[0] * 2.5
    assert halves[0] < halves[1]


def test_pairs_that_are_nothing_but_noise_end_the_fit():
    with pytest.raises(NoiseHidesError):
        stepping._factored([[math.nan]], 1.0, 0.0)


def test_where_the_noise_of_newton_sums_is_too_large_no_standard_error_is_told():
    terms, said, _ = told(changed(mechanism="newton"), [patients(100)])
    assert {one["standard_error"] for one in terms.values()} == {None}
    assert "too large for standard errors" in said


@pytest.mark.parametrize("target", ["dose", "visits"])
def test_a_target_that_is_a_number_is_fitted_in_its_own_unit(target):
    chance = np.random.default_rng(8)
    tables = [patients(2000, seed) for seed in range(3)]
    for table in tables:
        rate = np.array(table["age"]) / 20.0
        drawn = chance.poisson(rate) if target == "visits" else rate + chance.normal(0.0, 1.0, 2000)
        table[target] = np.clip(drawn, 0, 10).astype(float).tolist()
    task = (POISSON if target == "visits" else GAUSSIAN) | {"target": {"column": target, "range": [0, 10]}}
    terms, said, facts = told(task | {"noise": {"epsilon": 20.0, "evaluation": 0.1}}, tables)
    assert float(terms["age"]["standard_error"]) < 0.02
    wanted = 0.05 if target == "dose" else 0.0185  # one year is 1/20, or the logarithm of 1 + 1/55 in the middle
    assert abs(float(terms["age"]["coefficient"]) - wanted) < 0.006
    rmse = facts["quality"]["pooled"]["rmse"]
    assert 0.8 < rmse < 2.2
    assert "noisy counts" not in said


def test_quality_comes_from_noisy_counts_where_the_task_gives_a_share_of_the_budget():
    tables = [patients(1000, seed) for seed in range(4)]
    _, said, facts = told(changed(epsilon=20.0, evaluation=0.2) | {"evaluation": {"holdout": 0.5}}, tables)
    exact = {name: value for name, value in TASK.items() if name != "noise"} | {"evaluation": {"holdout": 0.5}}
    pooled, of_all = facts["quality"]["pooled"], told(exact, tables)[2]["quality"]["pooled"]
    assert abs(pooled["auc"] - of_all["auc"]) < pooled["auc_resolution"] + 0.01
    assert 0.0 < pooled["auc_resolution"] < 0.1
    assert (pooled["brier"], facts["measured_on"]) == (None, "held-out rows")
    assert pooled["measured_persons"] == pytest.approx(2000, rel=0.15)
    assert "noisy counts" in said


def test_quality_that_the_noise_hides_is_not_told():
    total = plan(parse(changed(evaluation=0.2))).totals[-1]
    assert quality(parse(TASK), total, [0.0] * total.numbers) is None
    assert quality(parse(GAUSSIAN), total, [0.5, 1.0]) is None


def test_levels_that_noise_hides_have_no_term_and_codes_that_nobody_named_are_gaps():
    tables = [patients(2000, seed) for seed in range(3)]
    published = dictionary_of(*tables)
    sex = replace(published.column("sex"), others=True)
    published = replace(published, columns=tuple(sex if one.name == "sex" else one for one in published.columns))
    for table in tables:
        table["sex"] = ["x" if number % 4 == 0 else code for number, code in enumerate(table["sex"])]
    named = [*TASK["features"][:2], {"name": "sex", "kind": "coded", "levels": ["f", "m", "d"]}]
    terms, said, _ = told(changed(epsilon=10.0, mechanism="newton") | {"features": named}, tables, published)
    assert "sex=d" not in terms
    assert "Too few patients have sex=d" in said
    assert float(terms["sex is missing"]["mean"]) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("noise", "chosen"),
    [
        ({}, "gradient"),
        ({"persons": 500}, "gradient"),
        ({"persons": 60_000}, "newton"),
        ({"persons": 60_000, "epsilon": 0.01}, "gradient"),
        ({"persons": 500, "mechanism": "newton"}, "newton"),
        ({"persons": 60_000, "mechanism": "gradient"}, "gradient"),
    ],
)
def test_the_mechanism_follows_from_public_numbers(noise, chosen):
    assert plan(parse(changed(**noise))).mechanism == chosen


def test_people_are_told_of_the_noise_and_of_what_is_not_known():
    told = description.describe(NoisyRun([patients(500)], changed(epsilon=10.0)).model(seed=1), {})
    said = " ".join(str(sentence) for sentence in told.sentences)
    assert "epsilon 10.0" in said
    assert "all rows of a patient together" in said
    assert told.facts["noise"]["epsilon"] == "10.0"
    assert told.facts["quality"]["pooled"]["auc"] is None


def test_a_fit_whose_noise_hides_everybody_ends_with_the_reason():
    run = NoisyRun([patients(2)])
    state = run.summed.first()
    with pytest.raises(NoiseHidesError):
        run.summed.follow(state, [-1] * run.summed.shape(state).count, {})


@pytest.mark.parametrize("missing", ["drop", "indicator+mean"])
def test_gaps_and_rows_without_outcome_refuse_nothing(missing):
    table = patients(30)
    table["age"][:10] = [math.nan] * 10
    table["sick"][10:20] = [math.nan] * 10
    nobody = patients(30)
    nobody["sick"] = [math.nan] * 30
    run = NoisyRun([table, nobody], TASK | {"missing": missing})
    run.fit(seed=2)
    assert len(run.totals) == 1 + GRADIENTS
    assert not any(run.exact(run.states[1], run.sites[1]))


def test_a_state_is_the_same_in_whatever_way_it_travels():
    run = NoisyRun([patients(50)])
    run.fit(seed=5)
    for state in run.states:
        assert canonical(following.read(state).written()) == canonical(state)


def test_nothing_is_proposed_and_only_totals_that_can_be_are_taken():
    run = NoisyRun([patients(50)])
    state = run.summed.first()
    shape = run.summed.shape(state)
    with pytest.raises(ProposalInvalidError):
        run.summed.follow(state, [10] * shape.count, {"beta": []})
    with pytest.raises(TotalInvalidError):
        run.summed.check(state, [0] * (shape.count - 1), 3)
    with pytest.raises(TotalInvalidError):
        run.summed.check(state, [shape.largest * 3 + 1] * shape.count, 3)
    assert shape.largest > LARGEST
    assert (run.summed.without(state), run.summed.objective(state), run.summed.persons(state)) == (None, None, 0)
    with pytest.raises(RunError):
        run.summed.outcome(state)


def test_an_outcome_that_is_none_of_the_task_is_refused():
    run = NoisyRun([patients(50)])
    outcome = run.fit(seed=5)
    for wrong in ({}, outcome | {"beta": outcome["beta"][1:]}, outcome | {"rows": "many"}):
        with pytest.raises(RunError):
            run.summed.result(wrong, ["a"], {})


def test_a_site_without_rows_says_so():
    run = NoisyRun([patients(50)])
    with pytest.raises(NothingLeftError):
        told_sums(run.admitted, parse(TASK), run.summed.asked(run.summed.first()), None, 1)


# --- what the holder alone is told ---------------------------------------------------------------------------------
def notes(table, task=TASK, brakes=None):
    run = NoisyRun([table, patients(60)], task, brakes or Brakes())
    asked = run.summed.asked(run.summed.first())
    numbers, persons, said = run.kind.summing.told_sums(
        run.admitted, task, asked, run.summed.shape(run.summed.first()), run.sites[0], 1
    )
    assert (numbers, persons) == run.kind.summing.sums(
        run.admitted, task, asked, run.summed.shape(run.summed.first()), run.sites[0], 1
    )
    return [(note.told.value, note.about, note.count, note.of) for note in said]


def test_the_holder_is_told_how_many_patients_were_shortened_and_how_many_values_were_out_of_range():
    table = patients(60)
    ((told, _, shortened, of),) = notes(table)
    assert (told, of) == ("shortened", 60)
    assert 0 < shortened < 60
    narrow = TASK | {"features": [TASK["features"][0] | {"range": [20, 50]}, *TASK["features"][1:]]}
    old = sum(age > 50 for age in table["age"])
    assert notes(table, narrow)[1:] == [("outside", "age", old, 60)]
    assert notes(table, brakes=replace(Brakes(), clipping=False)) == [("shortened", "", 0, 60)]
    middling = table | {"age": [60.0] * 60, "dose": [5.0] * 60}
    assert notes(middling) == [("shortened", "", 0, 60)]


def test_where_no_row_can_be_used_there_is_nothing_to_tell():
    table = patients(20) | {"sick": [None] * 20}  # of which nobody knows the outcome
    assert notes(table) == []


# --- under masks ---------------------------------------------------------------------------------------------------
class Hospital(Seated):
    """One hospital at the table."""

    rows = None
    brakes = Brakes()

    def answer(self, step):
        admission = replace(ADMISSION, holder=self.did, asset=self.did, brakes=self.brakes)
        rows = self.rows if step.name == "contribute" else None
        return self.engine.answer(admission, step, Workplace(rows, self.randomness, CLOCK, self.memory, self.keys))


def masked_run(brakes=Brakes(), seats=4, **more):  # noqa: B008 - it is frozen
    tables = [patients(200, seed) for seed in range(seats)]
    procedure = GlmAlgorithm().prepare(changed(epsilon=10.0) | more)
    opened = NoisyRun(tables).sites
    sites = {}
    for rows, (site, one) in zip(opened, seated([0] * seats, colluders=1).items(), strict=True):
        sites[site] = Hospital(site, GlmEngine(), one.keys, one.randomness)
        sites[site].rows, sites[site].brakes = rows, brakes
    return Coordinated(sites, procedure=procedure, task=procedure.document)


def test_under_masks_noisy_newton_sums_come_to_the_same_model_everywhere():
    assert masked_run(noise=NEWTON[0]["noise"]).to_the_end().content["noise"]["mechanism"] == "newton"


def test_under_masks_every_site_adds_its_noise_and_a_repeated_step_adds_the_same():
    assert GlmAlgorithm().prepare(TASK).demands.protection == MASKED_SUMS
    noisy, again, silent = (masked_run(brakes).to_the_end() for brakes in (Brakes(), Brakes(), Brakes(noise=False)))
    of = lambda result: [float(term["coefficient"]) for term in result.content["terms"]]  # noqa: E731
    assert of(noisy) == of(again)  # the same secrets, so the same noise
    assert np.abs(np.subtract(of(noisy), of(silent))).max() > 1e-6
    assert noisy.content["noise"]["epsilon"] == "10.0"


def test_under_masks_the_output_of_each_contribution_tells_the_holder():
    run = masked_run()
    run.to_the_end()
    for site in run.sites.values():
        told = [(step.name, *(note.told for note in made.notes)) for step, made in site.said if made.notes]
        assert told == [("contribute", "shortened")] * (1 + GRADIENTS)


def test_a_run_whose_totals_may_hold_fewer_honest_sites_than_the_noise_counts_on_is_refused():
    with pytest.raises(Exception, match="4 shares"):
        masked_run(min_sites=4).to_the_end()
