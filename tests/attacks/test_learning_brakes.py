"""What a member could read out of a hospital by asking: each attack, and the same attack with its brakes off.

The attacks speak to the engine beside the rows of a demo hospital, under the smallest cohort of the demo's contract.
"""

import math
from hashlib import blake2b, sha256
from itertools import pairwise

import numpy as np
import pytest

from medspace.app.demo.data import dictionary
from medspace.learning.errors import StepInvalidError
from medspace.learning.glm.design import sample
from medspace.learning.glm.errors import LevelUnknownError, OutcomeUndeclaredError, RangeMissingError
from medspace.learning.glm.judging import split_key
from medspace.learning.glm.task import parse as parse_task
from medspace.privacy.errors import DisclosureError
from tests.attacks.asked_hospital import (
    CODED,
    LEAST,
    SECRET,
    Asker,
    admitted,
    cells,
    opened,
    patients,
    plain,
    reads,
    task,
    without,
)

WITHHELD = "privacy.withheld"


@pytest.fixture(scope="module")
def rows():
    return patients()


@pytest.fixture(scope="module")
def source(rows, tmp_path_factory):
    return opened(tmp_path_factory.mktemp("hospital"), rows)


# --- planes between two patients ------------------------------------------------------------------------------------
MANY = ("age", "chol", "thalch")  # numbers with so many values that none is a code
HARD = ("bounds", "exposure")  # each of them alone stops a plane; together off, it reads a patient


def hard_planes(asker, rows):
    """The rows between two planes with one patient between them: the difference of two sums over many patients.

    The linear predictor is so steep that everybody on one side of the plane has the same weight and everybody else
    none; how large exp() may become is known.
    """
    document = task("poisson", "age", ("trestbps", "chol", "thalch"))
    truth = cells(rows, ("trestbps", "chol", "thalch"))
    whole = ~np.isnan(truth).any(axis=1)
    direction = np.array([1.0, math.sqrt(2.0), math.sqrt(3.0)])
    place = np.where(whole, truth @ direction, np.nan)
    filling = [130.0, 250.0, 150.0]
    place = np.where(np.isnan(truth), filling, truth) @ direction
    order = np.argsort(place)
    victim = order[len(order) // 2]
    low = (place[order[len(order) // 2 - 1]] + place[victim]) / 2.0
    high = (place[order[len(order) // 2 + 1]] + place[victim]) / 2.0
    sums = []
    for at in (low, high):
        steep = 1e9 * direction
        beta = [300.0 - 1e9 * at, *steep, 0.0, 0.0, 0.0]
        try:
            answer = asker.newton(document, beta, fill=filling)
        except StepInvalidError:
            return None, truth[victim]
        if answer is None:
            return None, truth[victim]
        sums.append(np.array(answer["hessian"])[0] / math.exp(300.0))
    return (sums[0] - sums[1])[1:4], truth[victim]


def test_two_hard_planes_do_not_isolate_the_patient_between_them(source, rows, attack_report):
    def read(brakes):
        found, truth = hard_planes(Asker(source, brakes), rows)
        return found is not None and reads(found, truth, ("trestbps", "chol", "thalch"))

    control = read(without(*HARD))
    got = any(map(read, (without(), without("bounds"), without("exposure"))))
    attack_report("planes, two hard ones: patients read", got=got, control=control, of=1, unit="patients")
    assert control  # this is what it read
    for brakes in (without(), without("bounds"), without("exposure")):
        assert hard_planes(Asker(source, brakes), rows)[0] is None


def soft_planes(asker, rows, sign=1.0, target="exang"):
    """Many planes as steep as they may be, and the combination of all answers that comes nearest to a patient.

    The asker of this test knows all weights, so no real one does better. How many patients it reads.
    """
    document = task("binomial", target, MANY)
    truth = cells(rows, MANY)
    filling = [55.0, 250.0, 150.0]
    full = np.where(np.isnan(truth), filling, truth)
    spread = full.std(axis=0)
    source_of_directions = np.random.default_rng(5)
    weights, sums = [], []
    for _ in range(8):
        direction = source_of_directions.normal(size=3) * sign
        direction *= 5.0 / (full @ (direction / spread)).std() / spread
        middle = (full @ direction).mean()
        for shift in np.linspace(-4.0, 4.0, 15):
            beta = np.array([shift - middle, *direction, *[0.0] * 3])
            try:
                answer = asker.newton(document, beta, fill=filling)
            except StepInvalidError:
                return None
            if answer is None:
                continue
            eta = full @ direction + beta[0]
            weights.append(np.exp(-np.abs(eta)) / np.square(1.0 + np.exp(-np.abs(eta))))
            sums.append(np.array(answer["hessian"])[0])
    return read_by_combination(np.array(weights), np.array(sums), truth)


def read_by_combination(weights, sums, truth):
    if not len(weights):
        return 0
    rows = np.linalg.pinv(weights.T, rcond=1e-5).T @ sums  # for each patient the nearest to that patient alone
    usable = np.flatnonzero(~np.isnan(truth).any(axis=1) & (rows[:, 0] > 0.5))
    return sum(reads(rows[victim, 1:4] / rows[victim, 0], truth[victim], MANY) for victim in usable)


@pytest.fixture(scope="module")
def ward(rows, tmp_path_factory):
    """Sixty patients: few enough that so many answers could tell them all apart."""
    return opened(tmp_path_factory.mktemp("ward"), rows[:60])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_soft_planes_within_the_bounds_read_nobody(ward, rows, sign, attack_report):
    control = soft_planes(Asker(ward, without("exposure")), rows[:60], sign)
    assert control > 0
    asker = Asker(ward)
    got = soft_planes(asker, rows[:60], sign)
    attack_report("planes, 120 within the bounds: patients read", got=got, control=control, of=60, unit="patients")
    assert got == 0
    assert 2 <= len(asker.answered) < 8 * 15


def test_planes_through_another_target_read_nobody(ward, rows):
    asker = Asker(ward)
    assert soft_planes(asker, rows[:60], target="num > 0") == 0
    answered = len(asker.answered)
    # What one target used up is not there for another one.
    assert soft_planes(asker, rows[:60], target="exang") == 0
    assert len(asker.answered) <= answered + 2


def test_a_steeper_predictor_than_the_dictionary_allows_is_a_public_error(source):
    document = task("binomial", "exang", ("age", "chol"))
    columns = 5
    for changes in (
        {"beta": [0.0, 5.0, 0.0, 0.0, 0.0]},
        {"beta": [500.0, 0.0, 0.0, 0.0, 0.0]},
        {"fill": [1e6, 250.0]},
        {"centre": [-1e6, 250.0, 0.0, 0.0]},
        {"scale": [1e-9, 1.0, 1.0, 1.0]},
        {"scale": [1e9, 1.0, 1.0, 1.0]},
    ):
        beta = changes.pop("beta", [0.0] * columns)
        layout = plain(document, **{"fill": [55.0, 250.0], **changes})
        with pytest.raises(StepInvalidError) as caught:
            Asker(source).ask(document, "newton", {"beta": beta, "layout": layout})
        assert "dictionary" in str(caught.value)


def test_a_number_without_a_range_is_not_asked_about(rows, tmp_path):
    described = dictionary().replace("minimum = 0\nmaximum = 120\n", "")
    asker = Asker(opened(tmp_path, rows, described))
    for document in (task("binomial", "exang", ("age",)), task("gaussian", "age", ("chol",))):
        with pytest.raises(RangeMissingError):
            asker.ask(document)
    assert asker.ask(task("binomial", "exang", ("chol",)))["n"] > 300


# --- outcomes of the asker's own ------------------------------------------------------------------------------------
def alone_with_a_value(asker, value):
    """Gradient and first column of the Hessian at beta 0: the sums over those who have the value."""
    document = task("binomial", f"chol == {value}", ("age", "trestbps", "thalch"))
    answer = asker.newton(document, [0.0] * 7, fill=[55.0, 130.0, 150.0])
    return None if answer is None else np.array(answer["gradient"]) + 2.0 * np.array(answer["hessian"])[0]


def test_a_threshold_that_the_holder_did_not_declare_is_not_answered(source, rows, attack_report):
    victim = next(row for row in rows if row["chol"] == "564")
    found = alone_with_a_value(Asker(source, without("outcomes", "exposure")), 564)
    assert found[0] == pytest.approx(1.0, abs=1e-3)  # the control: one patient, and the row
    read = reads(found[1:4], cells([victim], ("age", "trestbps", "thalch"))[0], ("age", "trestbps", "thalch"))
    assert read
    answered = 0
    for value in (564, 565):
        try:
            alone_with_a_value(Asker(source), value)
            answered += 1
        except OutcomeUndeclaredError:
            continue
    attack_report("single answer: patients read by a value", got=answered, control=read, of=1, unit="patients")
    assert answered == 0
    assert alone_with_a_value(Asker(source, without("outcomes")), 564) is None


def test_two_thresholds_with_many_on_both_sides_are_not_answered(source, rows, attack_report):
    def above(asker, threshold):
        document = task("binomial", f"chol > {threshold}", ("age", "thalch"))
        return np.array(
            asker.ask(document, "newton", {"beta": [0.0] * 5, "layout": plain(document, fill=[55.0, 150.0])})[
                "gradient"
            ]
        )

    values = sorted(float(row["chol"]) for row in rows)
    alone = next(v for v in values[100:] if values.count(v) == 1 and v - 1 not in values)
    victim = next(row for row in rows if float(row["chol"]) == alone)
    asker = Asker(source, without("outcomes", "exposure"))
    difference = above(asker, alone - 1) - above(asker, alone)
    control = difference[1] == pytest.approx(float(victim["age"]), abs=0.01)
    assert control
    with pytest.raises(OutcomeUndeclaredError):
        above(Asker(source), alone)
    asker = Asker(source, without("outcomes"))
    answers = [above(asker, alone - 1)]
    with pytest.raises(DisclosureError):
        answers.append(above(asker, alone))
    attack_report("thresholds, two: patients read", got=len(answers) // 2, control=control, of=1, unit="patients")


def test_a_declared_outcome_that_few_have_and_one_that_nobody_has_are_withheld_alike(rows, tmp_path):
    described = dictionary().replace('["num > 0"]', '["num > 0", "chol > 560", "chol > 790"]')
    asker = Asker(opened(tmp_path, rows, described))
    said = set()
    for outcome in ("chol > 560", "chol > 790"):
        with pytest.raises(DisclosureError) as caught:
            asker.ask(task("binomial", outcome, ("age",)))
        said.add(str(caught.value))
        assert (caught.value.code, caught.value.cause_code) == (WITHHELD, "release.outcome")
    assert len(said) == 1
    assert asker.ask(task("binomial", "num > 0", ("age",)))["n"] == len(rows)


def test_a_rare_count_is_no_outcome_of_its_own(source):
    # Thirteen have num 4; of the fitted part fewer than ten: they and those with 3 all count as their mean.
    document = task("poisson", "num", ("age",), evaluation={"holdout": "0.5"})
    with_brake, without_it = (
        Asker(source, brakes).newton(document, [0.0, 0.0, 0.0], fill=[55.0])
        for brakes in (without(), without("outcomes"))
    )
    assert with_brake["deviance"] < without_it["deviance"] - 0.1  # nobody is far out alone
    assert with_brake["gradient"][0] == pytest.approx(without_it["gradient"][0])  # and the sum stays


# --- differences of sets of patients --------------------------------------------------------------------------------
def test_dropping_rows_with_gaps_does_not_single_out_the_patient_with_a_gap(source, rows, attack_report):
    def ages(asker, *names):
        # The gap is in `slope`, which one patient lacks.
        document = task("binomial", "exang", ("age",), missing="drop")
        document["features"] += [{"name": name, "kind": "coded", "levels": levels} for name, levels in names]
        answer = asker.tried(document)
        return None if answer is None else answer["sums"][0]

    slope = ("slope", ["upsloping", "flat", "downsloping"])
    victim = next(row for row in rows if row["slope"] == "")
    asker = Asker(source, without("exposure"))
    read = ages(asker) - ages(asker, slope) == float(victim["age"])
    assert read  # the control
    asker = Asker(source)
    answers = [ages(asker), ages(asker, slope)]
    got = None not in answers and answers[0] - answers[1] == float(victim["age"])
    attack_report("drop: ages read of who alone has a gap", got=got, control=read, of=1, unit="patients")
    assert answers[0] is not None
    assert answers[1] is None


def test_rows_without_an_outcome_do_not_single_out_who_lacks_it(rows, tmp_path):
    changed = [dict(row) for row in rows]
    changed[7]["fbs"] = ""
    source = opened(tmp_path, changed)
    ages = {}
    for brakes in (without("exposure"), without()):
        asker = Asker(source, brakes)
        ages[brakes] = [asker.tried(task("binomial", target, ("age",))) for target in ("exang", "fbs")]
    read, kept = ages.values()
    assert read[0]["sums"][0] - read[1]["sums"][0] == float(rows[7]["age"])
    assert kept[0] is not None
    assert kept[1] is None


def asked_on_two_extracts(folder, rows, brakes):
    """Age of whoever alone has a gap in the second extract; in the first one enough have one."""
    extracts = []
    for name, gaps in (("first", range(15)), ("second", [7])):
        changed = [{**row, "exang": "" if at in gaps else row["exang"]} for at, row in enumerate(rows)]
        extracts.append(opened(folder, changed, name=f"{name}-{brakes.exposure}"))
    asker = Asker(extracts[0], brakes)
    questions = [task("binomial", target, ("age",)) for target in ("num > 0", "exang")]
    assert None not in [asker.tried(question) for question in questions]
    asker.source = extracts[1]
    answers = [asker.tried(question) for question in questions]
    return None if None in answers else answers[0]["sums"][0] - answers[1]["sums"][0]


def test_what_was_answered_on_an_extract_is_looked_at_again_on_the_next_one(rows, tmp_path, attack_report):
    control, got = (asked_on_two_extracts(tmp_path, rows, on) for on in (without("exposure"), without()))
    truth = float(rows[7]["age"])
    numbers = {"got": got == truth, "control": control == truth, "of": 1}
    attack_report("two extracts: ages read of who alone has a gap", **numbers, unit="patients")
    assert (control, got) == (truth, None)


def shares(asker):
    fitted = [
        asker.tried(task("binomial", "exang", ("age",), evaluation={"holdout": s})) for s in ("0.0", "0.1", "0.2")
    ]
    return [answer["n"] for answer in fitted if answer is not None]


def test_shares_of_the_split_are_nested_and_differ_by_many(source):
    found = shares(Asker(source))
    assert found == sorted(found, reverse=True)
    assert all(a - b >= LEAST for a, b in pairwise(found))


def by_code(asker, document):
    """The sums of the rows of each code at beta 0, by name of the column, and of all rows."""
    made = parse_task(document)
    fill = [x for feature in made.features for x in ([0.0] * len(feature.columns) if feature.coded else [70.0])]
    answer = asker.newton(document, [0.0] * (len(made.columns) + 1), fill=fill)
    if answer is None:
        return None
    return dict(zip(("all", *made.columns), np.array(answer["hessian"]) * 4.0, strict=True))


def alone_in_a_slice(source, brakes):
    """Codes and ages that the shares of the split give of whoever is alone with a code among those that one adds."""
    asker = Asker(source, brakes)
    shares = [task("binomial", "num > 0", ("age", "cp"), evaluation={"holdout": s}) for s in ("0.3", "0.4", "0.5")]
    answers = [found for found in (by_code(asker, document) for document in shares) if found is not None]
    differences = [(name, *(a[name] - b[name])[:2]) for a, b in pairwise(answers) for name in a if "cp=" in name]
    return len(answers), {(name, age) for name, count, age in differences if count == 1.0}


def test_nobody_is_alone_with_a_code_in_what_two_answers_have_not_in_common(source, rows, attack_report):
    answers, read = alone_in_a_slice(source, without("exposure"))
    got = alone_in_a_slice(source, without())[1]
    attack_report(
        "shares of the split: patients alone with a code read",
        got=len(got),
        control=len(read),
        of=len(rows),
        unit="patients",
    )
    assert answers == 3
    assert read  # the control
    assert read <= {(f"cp={row['cp']}", float(row["age"])) for row in rows}
    assert alone_in_a_slice(source, without()) == (2, set())


def rarest_slope(source, brakes):
    """Somebody alone with a code counts as missing beside others with a gap, and with the next code where these go.

    The difference of two answers about patients by the hundred.
    """
    asker = Asker(source, brakes)
    levels = {"name": "slope", "kind": "coded", "levels": ["upsloping", "flat", "downsloping"]}
    answers = []
    for missing in ("indicator+mean", "drop"):
        document = task("binomial", "num > 0", ("age",), missing=missing)
        document["features"].append(levels)
        answers.append(by_code(asker, document))
    if None in answers:
        return None
    kept, dropped = answers
    first = kept["all"] - kept["slope=flat"] - kept["slope is missing"]
    return tuple(float(sum_) for sum_ in (dropped["slope=(joined)"][:2] - first[:2]))


def test_whoever_is_alone_with_a_code_is_not_read_by_counting_gaps_in_two_ways(tmp_path, attack_report):
    rows = patients("hungary")
    source = opened(tmp_path, rows)
    victim = next(row for row in rows if row["slope"] == "downsloping")
    truth = (1.0, float(victim["age"]))
    control, got = rarest_slope(source, without("exposure")), rarest_slope(source, without())
    attack_report(
        "gaps counted in two ways: patients read", got=got == truth, control=control == truth, of=1, unit="patients"
    )
    assert (control, got) == (truth, None)


def ages_of_the_rare(source, brakes):
    """Four have a code that joins another one in a feature; as an outcome, that other one stands alone."""
    asker = Asker(source, brakes)
    everybody = by_code(asker, task("binomial", "num > 0", ("age", "restecg")))
    document = task("binomial", {"column": "restecg", "level": "lv hypertrophy"}, ("age",))
    answer = asker.newton(document, [0.0] * 3, fill=[70.0])
    if answer is None:
        return None
    cases = np.array(answer["gradient"]) + 2.0 * np.array(answer["hessian"])[0]
    return tuple(float(both) for both in (everybody["restecg=(joined)"] - [*cases[:2], *everybody["all"][2:]])[:2])


def test_a_code_that_few_have_is_not_what_an_outcome_and_a_feature_have_not_in_common(source, rows, attack_report):
    rare = [float(row["age"]) for row in rows if row["restecg"] == "st-t abnormality"]
    control, got = ages_of_the_rare(source, without("exposure")), ages_of_the_rare(source, without())
    attack_report(
        "outcome and feature: patients with a rare code whose sum is read",
        got=got[0] if got else 0,
        control=control[0],
        of=len(rare),
        unit="patients",
    )
    assert (control, got) == ((len(rare), sum(rare)), None)


def unlisted(source, brakes):
    """Where any code may stand, a task that names one more of them has the others apart."""
    asker = Asker(source, brakes)
    answers = []
    for levels in (["normal", "made up"], ["normal", "lv hypertrophy"]):
        document = task("binomial", "num > 0", ("age",))
        document["features"].append({"name": "restecg", "kind": "coded", "levels": levels})
        answers.append(by_code(asker, document))
    if None in answers:
        return None
    one, other = answers
    return float((one["restecg=(joined)"] - other["restecg=lv hypertrophy"])[0])


def test_naming_one_more_code_does_not_set_the_unnamed_ones_apart(rows, tmp_path, attack_report):
    start = dictionary().index('codes = { "normal" = "normal", "st-t')
    described = dictionary()[:start] + dictionary()[dictionary().index("\n", start) + 1 :]
    # Enough have the reference that it joins the four whom nobody names, and `lv hypertrophy` stays alone.
    changed = [
        {**row, "restecg": "lv hypertrophy"} if at % 3 and row["restecg"] == "normal" else row
        for at, row in enumerate(rows)
    ]
    source = opened(tmp_path, changed, described)
    control, got = unlisted(source, without("exposure")), unlisted(source, without())
    attack_report(
        "codes that nobody named: patients set apart", got=got or 0, control=control, of=len(rows), unit="patients"
    )
    assert (control, got) == (4.0, None)


def test_nobody_but_the_holder_knows_who_is_held_out(source, rows, attack_report):
    document = parse_task(task("binomial", "exang", ("age",), evaluation={"holdout": "0.5"}))
    public = sha256(b"did:web:holder.example\nheart").digest()

    def guessed(key):
        marks = [
            blake2b((row["id"] + "\x1e").encode(), digest_size=8, key=key, person=b"person").digest() for row in rows
        ]
        return np.array([int.from_bytes(mark) * 2.0**-64 < 0.5 for mark in marks])

    def held_out(brakes):
        opened_rows = source.open(admitted(brakes))
        return sample(document, opened_rows, key=split_key(admitted(brakes))).held_out

    control, got = ((guessed(public) == held_out(on)).mean() for on in (without("split"), without()))
    attack_report(
        "hold-out: patients of whom it is known (half by chance)", got=got, control=control, of=1, unit="share"
    )
    assert control == 1.0
    assert (guessed(SECRET) == held_out(without())).all()
    assert 0.35 < got < 0.65


def test_the_split_stays_when_rows_are_added_or_moved(rows, tmp_path):
    document = parse_task(task("binomial", "exang", ("age",), evaluation={"holdout": "0.3"}))
    fates = []
    for name, listed in (("first", rows), ("second", [*rows[::-1][:-20]])):
        table = opened(tmp_path, listed, name=name).open(admitted(without()))
        held_out = sample(document, table, key=SECRET).held_out
        fates.append({row["id"]: bool(out) for row, out in zip(listed, held_out, strict=True)})
    assert all(fates[0][who] == fate for who, fate in fates[1].items())


# --- codes that few have --------------------------------------------------------------------------------------------
def test_the_order_of_the_levels_changes_no_sum(rows, tmp_path):
    source = opened(tmp_path, rows)
    counts = []
    for order in (CODED["restecg"], CODED["restecg"][::-1], [CODED["restecg"][1], *CODED["restecg"][::2]]):
        document = task("binomial", "exang", ("age",))
        document["features"].append({"name": "restecg", "kind": "coded", "levels": order})
        said = Asker(source).ask(document)
        names = [*order[1:], "joined"]
        counts.append({name: count for name, count in zip(names, said["sums"][1:], strict=True) if count})
    # Four have one of them: with the next rarest they are a level of their own, whatever comes first.
    assert all(count == 0 or count >= LEAST for told in counts for count in told.values())
    assert {told["joined"] for told in counts} == {153.0}


def test_a_code_is_counted_in_the_rows_that_are_summed(rows, tmp_path, attack_report):
    # Twelve have it; of the half that is fitted, fewer than ten.
    changed = [{**row, "cp": "atypical angina" if at >= 12 else "typical angina"} for at, row in enumerate(rows)]
    source = opened(tmp_path, changed)
    document = task("binomial", "exang", ("cp",), evaluation={"holdout": "0.5"})
    at = CODED["cp"].index("atypical angina") - 1
    released = Asker(source, without("coarsening")).ask(document)
    told = released["n"] - sum(released["sums"])
    assert 0 < told < LEAST  # the control: those who have the first code
    kept = Asker(source).ask(document)
    got = kept["n"] - sum(kept["sums"])
    attack = "codes of the fitted part: patients in a cell of fewer than ten"
    attack_report(attack, got=got, control=told, of=12, unit="patients")
    assert got == 0
    assert kept["sums"][at] == 0.0
    assert kept["sums"][-1] == kept["n"]
    assert kept["joined"] == [4]


def test_a_level_that_nobody_has_and_one_that_one_patient_has_stand_alike(rows, tmp_path):
    answers = []
    for name, first in (("nobody", "normal"), ("one", "st-t abnormality")):
        changed = [{**row, "restecg": "normal" if at % 2 else "lv hypertrophy"} for at, row in enumerate(rows)]
        changed[0]["restecg"] = first
        source = opened(tmp_path, changed, name=name)
        answers.append(Asker(source).ask(task("binomial", "exang", ("restecg",))))
    assert [answer["sums"][0] for answer in answers] == [0.0, 0.0]
    document = task("binomial", "exang", ("age",))
    document["features"].append({"name": "restecg", "kind": "coded", "levels": CODED["restecg"][:2]})
    with pytest.raises(LevelUnknownError):  # the dictionary decides, whoever has the code
        Asker(source).ask(document)


def test_an_unlisted_code_is_joined_and_no_error(rows, tmp_path):
    start = dictionary().index('codes = { "normal" = "normal", "st-t')
    described = dictionary()[:start] + dictionary()[dictionary().index("\n", start) + 1 :]
    source = opened(tmp_path, rows, described)
    document = task("binomial", "exang", ("age",))
    document["features"].append({"name": "restecg", "kind": "coded", "levels": ["normal", "made up"]})
    said = Asker(source).ask(document)
    assert said["sums"][1:] == [0.0, 153.0]


# --- one heavy patient; last bits -----------------------------------------------------------------------------------
def test_no_patient_carries_more_than_a_tenth_of_a_sum(source, attack_report):
    # One patient's cholesterol is 564, all others' is at most 417.
    document = task("binomial", "exang", ("chol",))

    def asked(brakes):
        return Asker(source, brakes).newton(document, [0.0, 0.019, 0.0], fill=[250.0], centre=[564.0, 0.0])

    released = asked(without("heaviest", "exposure"))
    control = 0.25 / released["hessian"][0][0]
    assert control > 0.1  # the control: Kish's number lets it pass
    answers = [asked(without("exposure")), asked(without("heaviest"))]
    shares = [0.25 / answer["hessian"][0][0] for answer in answers if answer is not None]
    attack_report(
        "heaviest: share of a sum that one patient carries",
        got=max(shares, default=0),
        control=control,
        of=1,
        unit="share",
    )
    assert answers == [None, None]


def test_what_the_last_bits_of_a_sum_would_tell_is_gone(source, rows, attack_report):
    document = task("binomial", "exang", ("age",))
    tiny = 1e-9

    def slope(brakes):
        asker = Asker(source, brakes)
        one, two = (
            np.array(asker.newton(document, [shift, 0.02, 0.0], fill=[55.0], centre=[55.0, 0.0])["gradient"])
            for shift in (0.1, 0.1 + tiny)
        )
        return (one - two)[0] / tiny

    usable = [float(row["age"]) for row in rows if row["exang"]]
    eta = 0.1 + 0.02 * (np.array(usable) - 55.0)
    expected = (np.exp(-eta) / np.square(1.0 + np.exp(-eta))).sum()
    third = pytest.approx(expected, rel=1e-2)
    control, got = slope(without("rounding")), slope(without())
    attack_report(
        "last bits: further sums out of two answers", got=got == third, control=control == third, of=1, unit="sums"
    )
    assert control == third
    assert abs(got) < 1e-3 or abs(got) > 1e3


def test_every_private_refusal_is_one_and_the_same(source, rows, tmp_path):
    asker = Asker(source)
    said = set()
    steep = {
        "beta": [0.0, 0.5, 0.0],
        "layout": plain(task("binomial", "exang", ("age",)), fill=[55.0], centre=[95.0, 0.0]),
    }
    few = opened(tmp_path, rows[:8])
    for ask in (
        lambda: asker.ask(task("binomial", "exang", ("age",)), "newton", steep),
        lambda: Asker(few).ask(task("binomial", "exang", ("age",))),
        lambda: Asker(few).ask(task("binomial", {"column": "cp", "level": "typical angina"}, ("age",))),
    ):
        with pytest.raises(DisclosureError) as caught:
            ask()
        said.add((caught.value.code, str(caught.value)))
    assert len(said) == 1
