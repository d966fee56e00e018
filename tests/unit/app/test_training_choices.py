"""What a training can be made of: columns that all hospitals have, a task from a form, and how it is drawn."""

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import pytest
from starlette.datastructures import QueryParams

from medspace.app.features.training import building, plotting
from medspace.app.features.training.building import ChoiceError, NumberError, targets, task_of, wishes
from medspace.app.features.training.choosing import outcomes, shared, shown
from medspace.app.features.training.seeing import promised, who_saw_what
from medspace.app.features.uses.pages import leaving
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_SUMS
from medspace.learning.cox import task as cox
from medspace.learning.glm import task as glm
from medspace.learning.mitigation.plan import Equal
from medspace.learning.net import task as net
from medspace.runs import codings
from medspace.runs.model import Lineage
from tests.runs import manifest_of, signed

NUMBER, CODE = {"type": "number", "unit": "mm"}, {"type": "code", "codes": {"f": "female", "m": ""}}
PURPOSE = "ehds:HealthcareScientificResearch"
CHOICE = {
    "outcomes": ["num > 0"],
    "purposes": [{"name": PURPOSE}],
    "columns": [
        {"name": "age", "type": "integer", "coded": False, "levels": {}},
        {"name": "sex", "type": "code", "coded": True, "levels": {"f": "female", "m": "male"}},
        {"name": "sick", "type": "flag", "coded": False, "levels": {}},
        {"name": "born", "type": "date", "coded": False, "levels": {}},
    ],
}


def published(**sites):
    said = {
        site: {"columns": [{"name": name} | column for name, column in columns.items()]}
        for site, columns in sites.items()
    }
    return {site: codings.read(site, dictionary) for site, dictionary in said.items()}


def why(found):
    return {name: str(text) for name, text in found.left_out}


def test_only_columns_that_all_have_are_offered():
    found = shared(published(a={"age": NUMBER, "sex": CODE}, b={"sex": CODE, "age": NUMBER, "only": NUMBER}))
    assert [one.name for one in found.columns] == ["age", "sex"]
    assert why(found) == {"only": "it is missing at a (1 in all)"}
    assert shared({}).columns == ()


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (NUMBER | {"unit": "cm"}, "is in"),
        (CODE, "codes at some"),
        ({"type": "date"}, "of the type"),
    ],
)
def test_columns_that_differ_are_left_out_with_the_reason(theirs, said):
    found = shared(published(a={"x": NUMBER}, b={"x": theirs}))
    assert found.columns == ()
    assert said in why(found)["x"]


def test_codes_are_those_of_all_with_their_meanings():
    more = {"type": "code", "codes": {"m": "male", "d": "diverse", "?": ""}, "missing": ["?"]}
    (one,) = shared(published(a={"sex": CODE}, b={"sex": more})).columns
    assert one.codes == {"f": "female", "m": "male", "d": "diverse"}
    assert shared(published(a={"sex": {"type": "code", "codes": {"f": ""}}})).columns == ()


def test_numbers_have_the_ends_of_all_sites_and_zero_or_one_is_a_yes_or_no():
    flag = {"type": "integer", "minimum": "0", "maximum": "1"}
    (both,) = shared(published(a={"x": flag}, b={"x": flag})).columns
    (wide,) = shared(published(a={"x": flag}, b={"x": flag | {"maximum": "3"}})).columns
    (unsaid,) = shared(published(a={"x": flag}, b={"x": {"type": "integer"}})).columns
    assert [(one.minimum, one.maximum) for one in (both, wide, unsaid)] == [("0", "1"), ("0", "3"), (None, None)]
    assert [shown(one)["binary"] for one in (both, wide, unsaid)] == [True, False, False]
    found = targets({"outcomes": [], "columns": [shown(both), shown(wide) | {"name": "y"}]})
    assert [(one.value, one.binary) for one in found] == [("x > 0", True), ("y", False)]


def test_outcomes_are_those_that_all_declare():
    assert outcomes([{"outcomes": ["a > 0", "b > 1", 7]}, {"outcomes": ["b > 1"]}]) == ["b > 1"]
    assert outcomes([{"outcomes": "a > 0"}, {}]) == []
    assert outcomes([]) == []


def wished(query):
    return wishes(QueryParams(query))


def test_a_form_becomes_a_task():
    asked = wished(f"agreement=u&target=sex+%3D+m&feature=age&feature=sex&purpose={PURPOSE}&min_sites=2&l2=0.5")
    assert task_of(asked, CHOICE) == {
        "task": "glm",
        "family": "binomial",
        "target": {"column": "sex", "level": "m"},
        "purpose": PURPOSE,
        "l2": "0.5",
        "min_sites": 2,
        "features": [{"name": "age"}, {"name": "sex", "kind": "coded", "levels": ["f", "m"]}],
    }
    noisy = task_of(
        wished(f"agreement=u&target=age&feature=sick&purpose={PURPOSE}&epsilon=2&persons=900&unit=event"), CHOICE
    )
    assert noisy["min_sites"] == 1
    assert noisy["noise"] == {"epsilon": "2.0", "unit": "event", "persons": 900}
    assert (noisy["family"], noisy["target"]) == ("gaussian", {"column": "age"})
    count = task_of(wished(f"target=age&feature=sick&purpose={PURPOSE}&family=poisson&epsilon=1&unit=x"), CHOICE)
    assert (count["family"], count["noise"]) == ("poisson", {"epsilon": "1.0", "unit": "patient"})


STAGED = CHOICE | {
    "columns": [
        *CHOICE["columns"],
        {"name": "grade", "type": "code", "coded": True, "levels": dict.fromkeys("abc", "")},
    ]
}
COMMON = f"feature=age&purpose={PURPOSE}&min_sites=3"


def test_a_form_becomes_a_task_of_survival():
    asked = wished(f"kind=cox&target=num+%3E+0&time=age&feature=sex&purpose={PURPOSE}&min_sites=3&holdout=0.2")
    task = task_of(asked, CHOICE)
    assert (task["task"], task["event"], task["time"], task["holdout"]) == ("cox", "num > 0", "age", "0.2")
    assert (task["l2"], "entry" in task, "family" in task) == ("0.0", False, False)
    assert cox.parse(task).time == "age"
    assert not {"errors", "grid"} & task.keys()
    robust = task_of(
        wished(f"kind=cox&target=num+%3E+0&time=age&feature=sex&purpose={PURPOSE}&robust=on&grid=30%2C+60"), CHOICE
    )
    assert (robust["errors"], cox.parse(robust).grid) == ("robust", (30.0, 60.0))
    assert [one.value for one in targets(STAGED, "cox")] == [
        *("num > 0", "sex = f", "sex = m", "sick > 0", "grade = a", "grade = b", "grade = c")
    ]


def test_a_form_becomes_a_task_of_a_net():
    net_of = f"kind=net&{COMMON}&layers=16%2C+8&strategy=fedadam&rate=0.1&rounds=9&validation=0.2&seed=7&patience=2"
    task = task_of(wished(f"{net_of}&target=num+%3E+0"), STAGED)
    read = net.parse(task)
    assert (read.layers, read.server.strategy, read.local.rate, read.seed) == ((16, 8), "fedadam", 0.1, 7)
    assert (read.table.max_rounds, read.validation, read.patience) == (9, 0.2, 2)
    graded = net.parse(task_of(wished(f"{net_of}&target=grade+%3D+%3F&ordinal=on"), STAGED))
    assert (graded.classes, graded.ordinal) == (("a", "b", "c"), True)
    turns = task_of(wished(f"{net_of}&target=num+%3E+0&strategy=cyclic&cycle=did%3Aweb%3Aa%2C+did%3Aweb%3Ab"), STAGED)
    assert net.parse(turns).cycle == ("did:web:a", "did:web:b")
    tried = f"{net_of.replace('rounds=9', 'rounds=30')}&target=num+%3E+0&search_rate=0.1%2C1&search_l2=0%2C+0.1"
    assert net.parse(task_of(wished(tried), STAGED)).search.cost == 4 * (4 + 2)
    assert "grade = ?" not in [one.value for one in targets(STAGED, "glm")]


def test_what_a_net_may_be_is_what_its_room_says():
    assert get_args(Equal) == building.EQUAL
    assert get_args(net.Strategy) == building.STRATEGIES
    assert (building.FEWEST_CLASSES, building.MOST_CLASSES) == (net.FEWEST_CLASSES, net.MOST_CLASSES)
    assert [float(one) for one in building.HOLDOUTS] == sorted(net.HOLDOUTS)


def test_a_form_says_for_whom_a_model_is_measured():
    bands = "band_column=&bands=7&band_column=age&bands=50%2C65"
    asked = wished(f"target=num+%3E+0&{COMMON}&judge=on&group=sex&{bands}&thresholds=0.3%EF%BC%8C0.5&least=12")
    judge = task_of(asked, CHOICE)["judge"]
    assert judge == {
        "groups": [{"column": "sex", "codes": ["f", "m"]}, {"column": "age", "bands": ["50.0", "65.0"]}],
        "thresholds": ["0.3", "0.5"],
        "least": 12,
    }
    assert wishes(QueryParams(asked.query())) == asked
    plain = task_of(wished(f"target=num+%3E+0&{COMMON}&judge=on"), CHOICE)
    assert glm.parse(plain | {"protection": "masked-sums"}).judge is not None
    assert "judge" not in task_of(wished(f"target=num+%3E+0&{COMMON}&group=sex"), CHOICE)


def test_a_form_says_what_makes_a_model_fairer():
    how = "judge=on&group=sex&mitigate=sex&reweighing=on&fairness=0.5&equal=sensitivity&kept_out=0.3"
    asked = wished(f"target=num+%3E+0&{COMMON}&{how}")
    task = task_of(asked, CHOICE)
    expected = {"column": "sex", "reweighing": True, "penalty": "0.5", "equal": "sensitivity", "validation": "0.3"}
    assert task["mitigate"] == expected
    assert glm.parse(task | {"protection": "masked-sums"}).mitigate.penalty == 0.5
    assert wishes(QueryParams(asked.query())) == asked
    of_net = task_of(wished(f"kind=net&target=num+%3E+0&{COMMON}&{how}&validation=0.2&rounds=9"), CHOICE)
    assert "validation" not in of_net["mitigate"]
    assert net.parse(of_net).table.mitigate.equal == "sensitivity"
    for left in ("judge=on&group=sex", "group=sex&mitigate=sex&reweighing=on"):
        assert "mitigate" not in task_of(wished(f"target=num+%3E+0&{COMMON}&{left}"), CHOICE)


def test_what_can_be_learned_is_offered_once():
    assert [one.value for one in targets(CHOICE)] == ["num > 0", "age", "sex = f", "sex = m", "sick > 0"]
    twice = CHOICE | {"outcomes": ["sick > 0"]}
    assert [one.value for one in targets(twice)].count("sick > 0") == 1


@pytest.mark.parametrize(
    ("query", "raised", "field"),
    [
        ("target=else&feature=age", ChoiceError, "target"),
        ("target=age", ChoiceError, "features"),
        ("target=age&feature=age&feature=else", ChoiceError, "features"),
        ("target=age&feature=sick&purpose=dpv:Marketing", ChoiceError, "purpose"),
        (f"target=age&feature=sick&purpose={PURPOSE}&l2=x", NumberError, "l2"),
        (f"target=age&feature=sick&purpose={PURPOSE}&min_sites=1.5", NumberError, "min_sites"),
        (f"target=age&feature=sick&purpose={PURPOSE}&epsilon=1&persons=-1", NumberError, "persons"),
        (f"kind=cox&target=age&{COMMON}&time=age", ChoiceError, "target"),
        (f"kind=cox&target=num+%3E+0&{COMMON}", ChoiceError, "time"),
        (f"kind=cox&target=num+%3E+0&{COMMON}&time=age&entry=sex", ChoiceError, "entry"),
        (f"kind=net&target=num+%3E+0&{COMMON}&layers=1.5", NumberError, "layers"),
        (f"target=num+%3E+0&{COMMON}&judge=on&group=age", ChoiceError, "group"),
        (f"target=num+%3E+0&{COMMON}&judge=on&band_column=sex&bands=1", ChoiceError, "band_column"),
        (f"target=num+%3E+0&{COMMON}&judge=on&group=sex&mitigate=age", ChoiceError, "mitigate"),
        (f"target=num+%3E+0&{COMMON}&judge=on&group=sex&mitigate=sex&fairness=x", NumberError, "fairness"),
    ],
)
def test_what_is_not_offered_is_refused(query, raised, field):
    with pytest.raises(raised) as refused:
        task_of(wished(query), CHOICE)
    assert refused.value.facts["field"] == field


def test_the_fields_of_a_form_are_kept_in_an_address():
    query = "agreement=a&agreement=b&feature=age&target=age&purpose=x&l2=0&epsilon=1&without_missing=on"
    asked = wished(query)
    assert wishes(QueryParams(asked.query())) == asked
    assert asked.without_missing
    assert not wished("").without_missing


def test_a_curve_has_its_points_and_axes():
    drawn = plotting.curve([(1, 10.0), (2, 5.0), (4, float("inf")), (9, 4.0)])
    assert drawn is not None
    assert len(drawn.points) == 3
    assert drawn.points[0] == (plotting.LEFT, plotting.TOP)
    assert drawn.points[-1] == (plotting.WIDTH - plotting.RIGHT, plotting.HEIGHT - plotting.BOTTOM)
    assert [one.text for one in drawn.up] == ["10", "7", "4"]
    assert len(drawn.across) <= plotting.MOST_TICKS
    assert plotting.curve([(1, 1.0)]) is None
    assert plotting.curve([(1, 1.0), (2, 1.0)]) is not None


def test_intervals_are_drawn_where_they_are_known_and_nowhere_else():
    said = [
        {"name": "intercept", "value": "-90", "standard_error": "1"},
        {"name": "age", "value": "1.0", "standard_error": "0.5"},
        {"name": "sex", "value": "-2.0", "standard_error": None},
        {"name": "odd", "value": "x", "standard_error": "nan"},
    ]
    drawn = plotting.forest([{"coefficients": said}, {"coefficients": said[1:2]}])
    assert drawn is not None
    age, sex, odd = drawn.rows
    assert (age.name, round(age.marks[0].low, 2), round(age.marks[0].high, 2)) == ("age", 0.02, 1.98)
    assert age.marks[0].start < age.marks[0].at < age.marks[0].end
    assert (sex.marks[0].low, sex.marks[0].start, sex.marks[1].value) == (None, None, None)
    assert odd.marks[0].at is None
    assert drawn.low < 0 < drawn.high
    assert plotting.forest([{"result": {}}]) is None


def effects(family, **coefficients):
    said = [{"name": name, "value": value, "standard_error": error} for name, (value, error) in coefficients.items()]
    return plotting.forest([{"family": family, "coefficients": said}])


@pytest.mark.parametrize(
    ("family", "ratio"),
    [("binomial", "Odds ratio"), ("cox", "Hazard ratio"), ("poisson", "Rate ratio"), ("gaussian", ""), ("", "")],
)
def test_of_families_whose_coefficients_are_logarithms_ratios_are_told(family, ratio):
    drawn = effects(family, age=("0.6931471805599453", "0.1"))
    assert drawn.ratio == ratio
    value, low, high = drawn.rows[0].marks[0].ratios
    assert (round(value, 6), low < 2 < high) == (2.0, True)
    assert {tick.text for tick in drawn.ticks} >= ({"1"} if ratio else {"0"})


def test_families_beside_each_other_are_told_by_their_coefficients():
    one = {"family": "cox", "coefficients": [{"name": "age", "value": "1", "standard_error": "1"}]}
    assert plotting.forest([one, one]).ratio == "Hazard ratio"
    assert plotting.forest([one, one | {"family": "binomial"}]).ratio == ""


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        ("0.001", "0.0001", {"1"}),  # no other round ratio is near: the ends are told, where there is room
        ("1.5", "0.5", {"1", "10"}),
        ("-6", "2", {"1", "5e-05"}),
        ("5000", "9", {"1"}),  # no finite ratio
    ],
)
def test_marks_of_ratios_are_round_and_do_not_touch(value, error, told):
    drawn = effects("cox", age=(value, error))
    texts = [tick.text for tick in drawn.ticks]
    assert told <= set(texts)
    assert len(texts) <= plotting.MOST_TICKS
    places = [tick.at for tick in drawn.ticks]
    assert all(b - a >= plotting.APART for a, b in pairwise(places))
    assert all(0 <= place <= plotting.BAR for place in places)
    assert [tick.at for tick in drawn.ticks if tick.text == "1"] == [drawn.zero]


def test_what_the_manifest_promises_of_sums_is_told_and_whose_own_quality_left():
    manifest = manifest_of(
        "did:web:u", {}, {"did:web:a": "x", "did:web:b": "y"}, protocol=MASKED_SUMS, min_sites=2, colluders=1
    )
    lineage = Lineage("r", "t", (), ("did:web:a", "did:web:b"), (), MASKED_SUMS, manifest=signed(manifest))
    said = promised(lineage, lambda text: text)
    assert "2 hospitals have a seat, and at least 2 must take part" in said[0]
    assert "as many as 1 of the hospitals" in said[1]
    assert promised(replace(lineage, manifest=""), lambda text: text) == []
    names = {"did:web:a": "North", "did:web:b": "South"}
    told = {one["who"]: one["saw"] for one in who_saw_what(lineage, names, lambda text: text, ["did:web:b"])}
    assert "each hospital (North, South)" in told
    assert told["the user, who led the training"][-1].endswith("at each alone: South")
    assert len(told["each hospital (North, South)"]) == 2


def test_who_saw_what_follows_the_protection():
    def told(protection, coordinator=""):
        lineage = Lineage("r", "t", (), ("s",), (), protection, coordinator=coordinator)
        return {one["who"]: one["saw"] for one in who_saw_what(lineage, {"did:c": "Hub"}, lambda text: text)}

    plain = told(COORDINATOR_SEES_SUMS)
    assert plain["the user, who led the training"][0].startswith("the sums of each hospital")
    assert plain["everybody else"] == ["nothing at all"]
    masked = told(MASKED_SUMS, "did:c")
    assert "sealed messages" in masked["the coordinator (Hub)"][0]
    assert masked["the user"] == ["the model"]
    assert "not known" in told("something new")["each hospital (s)"][1]


def test_an_output_is_read_number_by_number():
    values = {"a": {"b": [1, 2.5]}, "c": None, "d": True}
    assert leaving(values) == [("a.b[0]", "1"), ("a.b[1]", "2.5"), ("c", "None"), ("d", "True")]
    assert len(leaving({"a": list(range(10_000))})) == 501
