"""Which changes of terms protect patients less than before; what cannot be compared does."""

import msgspec
import pytest

from medspace.app.node.config import Asset, Offer, PrivacyBudget
from medspace.app.node.offering.loosening import (
    OfferLoosenedError,
    OfferMovedError,
    beyond,
    changes,
    check_confirmed,
    check_seen,
    label_changes,
    seen_of,
    seen_of_all,
)

TERMS = {
    "until": "2029-01-02T00:00:00Z",
    "not_before": "2027-01-01",
    "count": 20,
    "min_sites": 3,
    "min_cohort": 10,
    "colluders": 2,
    "purposes": ["a", "b"],
    "recipients": ["did:web:a", "did:web:b"],
    "regions": ["DE", "FR"],
    "holders": ["did:web:a"],
    "outputs": ["x", "y"],
    "epsilon": 2,
    "epsilon_per_task": 0.5,
    "delta": 1e-6,
}
LABEL = {"purposes": ["a"], "kinds": ["medspace:train"], "valid_from": "2027-01-01", "valid_until": "2029-01-01"}
LABEL |= {"regions": ["DE"], "review": 1}
BUDGET = PrivacyBudget(epsilon=2, agreement=1.0, task=0.5)
ASSET = Asset(
    id="hearts", title="Hearts", source="a.csv", dictionary="a.toml", label=LABEL,
    offers=(Offer("train-only", TERMS),),
    questions=11, numbers=1000, budget=BUDGET,
)  # fmt: skip


def offered(template="train-only", **terms):
    return {"offers": (Offer(template, TERMS | terms),)}


def label(**said):
    return {"label": LABEL | said}


def budget(**said):
    return {"budget": msgspec.structs.replace(BUDGET, **said)}


def found(before=(), after=()):
    """The changes from one asset to another, each with whether it loosens."""
    old, new = (msgspec.structs.replace(ASSET, **dict(said)) for said in (before, after))
    return {one.term: one.loosens for one in changes(old, new)}


TIGHTER_AND_LOOSER = [
    (offered(until="2028-01-01"), offered(), "until"),
    (offered(not_before="2028-01-01"), offered(), "not_before"),
    (offered(count=3), offered(), "count"),
    (offered(), offered(count=None), "count"),
    (offered(min_sites=4), offered(), "min_sites"),
    (offered(), offered(min_sites=None), "min_sites"),
    (offered(min_cohort=30), offered(), "min_cohort"),
    (offered(colluders=3), offered(), "colluders"),
    (offered(purposes=["a"]), offered(), "purposes"),
    (offered(), offered(recipients=None), "recipients"),
    (offered(recipients=["did:web:b"]), offered(), "recipients"),
    (offered(regions=["DE"]), offered(), "regions"),
    (offered(), offered(holders=None), "holders"),
    (offered(outputs=["x"]), offered(), "outputs"),
    (offered(epsilon=1), offered(), "epsilon"),
    (offered(), offered(epsilon=None), "epsilon"),
    (offered(epsilon_per_task=0.1), offered(), "epsilon_per_task"),
    (offered(delta=1e-9), offered(), "delta"),
    (offered(), offered("train-and-statistics"), "template"),
    (offered(), {"offers": (Offer("train-only", TERMS), Offer("train-only", {}))}, "offers"),
    ({"questions": 5}, {}, "questions"),
    ({"numbers": 5}, {}, "numbers"),
    ({}, {"budget": None}, "budget"),
    (budget(epsilon=1), {}, "budget"),
    ({}, budget(agreement=None), "budget.agreement"),
    (budget(task=0.1), {}, "budget.task"),
    ({}, budget(exact=True), "budget.exact"),
    ({}, {"publish": ("size",)}, "publish"),
    ({"publish": ("size",)}, {"publish": ("size", "missing")}, "publish"),
    (label(purposes=[]), {}, "label.purposes"),
    (label(kinds=[]), {}, "label.kinds"),
    (label(regions=[]), {}, "label.regions"),
    (label(valid_from="2028-01-01"), {}, "label.valid_from"),
    (label(valid_until="2028-01-01"), {}, "label.valid_until"),
    (label(review=2), {}, "label.review"),
]


@pytest.mark.parametrize(("tight", "loose", "term"), TIGHTER_AND_LOOSER)
def test_each_change_is_told_and_loosens_in_one_direction_only(tight, loose, term):
    assert found(tight, loose) == {term: True}
    assert found(loose, tight) == {term: False}


@pytest.mark.parametrize(
    ("before", "after", "term"),
    [
        (offered(protection="masked-sums"), offered(protection="clear"), "protection"),
        (offered(unit="patient"), offered(unit="event"), "unit"),
        (offered(), offered(until="some day"), "until"),
        (offered(), offered(not_before="some day"), "not_before"),
        (offered(), offered(min_sites="three"), "min_sites"),
        (offered(), offered(purposes=3), "purposes"),
        (offered(), offered("unheard-of"), "template"),
        (offered(), offered(invented=1), "invented"),
        ({"questions": None}, {}, "questions"),
        ({}, {"questions": None}, "questions"),
        (budget(unit="patient"), budget(unit="event"), "budget.unit"),
    ],
)
def test_what_cannot_be_compared_loosens(before, after, term):
    assert found(before, after)[term]


def test_a_label_that_allows_nothing_is_the_tightest_and_what_nobody_named_is_nothing():
    bare = {"label": {}}
    told = found({}, bare)
    assert not any(told[f"label.{name}"] for name in ("purposes", "kinds", "regions"))
    assert told["label.review"]
    assert found(bare, label(review=0))["label.purposes"]


def test_nothing_differs_from_itself_and_the_second_offer_is_told_by_its_number():
    assert found() == {}
    two = {"offers": (Offer("train-only", TERMS), Offer("train-only", {"count": 3}))}
    other = {"offers": (Offer("train-only", TERMS), Offer("train-only", {"count": 4}))}
    assert found(two, other) == {"2.count": True}


def test_what_loosens_is_refused_until_each_of_it_is_confirmed():
    looser = changes(ASSET, msgspec.structs.replace(ASSET, questions=99, **offered(min_sites=1, count=3)))
    seen = seen_of("a", looser)
    check_confirmed("a", looser, ["min_sites", "questions"], seen)
    for confirmed in ([], ["min_sites"], ["count"]):
        with pytest.raises(OfferLoosenedError) as refused:
            check_confirmed("a", looser, confirmed, seen)
        said = refused.value.text.render(str)
        assert "questions a year, of all users: 11 -> 99" in said
        assert ("3 -> 1" in said) == ("min_sites" not in confirmed)
        assert "20 -> 3" not in said


def test_what_was_confirmed_as_a_small_step_is_not_a_large_one():
    """The attack: 50 -> 60 was shown; meanwhile it is 5, and would be 60. The control: what was shown."""
    new = msgspec.structs.replace(ASSET, **offered(count=60))
    small, large = (changes(msgspec.structs.replace(ASSET, **offered(count=at)), new) for at in (50, 5))
    seen = seen_of("a", small)
    check_confirmed("a", small, ["count"], seen)
    for dataset, found in (("a", large), ("b", small)):
        with pytest.raises(OfferMovedError):
            check_confirmed(dataset, found, ["count"], seen)
    with pytest.raises(OfferMovedError) as refused:
        check_confirmed("a", large, ["count"], seen)
    assert "5 -> 60" in refused.value.text.render(str)
    with pytest.raises(OfferLoosenedError):
        check_confirmed("a", small, ["count"], "")
    tighter = changes(new, msgspec.structs.replace(ASSET, **offered(count=5)))
    check_confirmed("a", tighter, [], "")  # nobody has to confirm what protects more


def test_a_limit_that_is_gone_is_called_so():
    (one,) = changes(ASSET, msgspec.structs.replace(ASSET, **offered(count=None)))
    assert one.told(str)["sentence"] == "uses under one agreement: 20 -> no limit"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (offered(), offered(until="2030-01-01T00:00:00Z"), "last day: 2029-01-01 -> 2029-12-31"),
        (label(valid_until="2028-01-01"), label(valid_until="2029-01-01T00:00:00Z"), "last day of the label: 2028"),
        (label(valid_until="2028-01-01"), label(valid_until="2028-12-31"), "-> 2028-12-31"),
    ],
)
def test_a_last_day_is_said_as_a_day(before, after, said):
    old, new = (msgspec.structs.replace(ASSET, **one) for one in (before, after))
    (one,) = changes(old, new)
    assert said in one.told(str)["sentence"]


def test_changes_of_several_datasets_are_confirmed_as_they_were_seen():
    looser = changes(ASSET, msgspec.structs.replace(ASSET, **offered(count=60)))
    tighter = changes(ASSET, msgspec.structs.replace(ASSET, **offered(count=5)))
    seen = seen_of_all({"a": looser, "b": tighter})
    check_seen({"a": looser, "b": tighter}, seen)
    check_seen({"b": tighter}, "")
    with pytest.raises(OfferLoosenedError, match="a: uses under one agreement: 20 -> 60"):
        check_seen({"a": looser}, "")
    for found in ({"a": looser}, {"b": looser, "a": tighter}, {"a": looser, "b": looser}):
        with pytest.raises(OfferMovedError):
            check_seen(found, seen)


LABEL = {"purposes": ["a"], "kinds": ["medspace:train"], "regions": ["DE"]}


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        (LABEL, LABEL | {"purposes": ["a", "b"]}, ["label.purposes"]),
        (LABEL | {"purposes": ["a", "b"]}, LABEL, []),
        ({}, LABEL, ["label.purposes", "label.kinds", "label.regions"]),
        (LABEL | {"valid_until": "2028-01-01"}, LABEL, ["label.valid_until"]),
        (LABEL | {"review": 2}, LABEL | {"review": True}, ["label.review"]),
        (LABEL, LABEL | {"review": True}, []),
        (LABEL | {"sensitivity": "non-public"}, LABEL | {"sensitivity": "public"}, ["label.sensitivity"]),
        (LABEL, LABEL | {"sensitivity": "restricted"}, ["label.sensitivity"]),
        (LABEL | {"sensitivity": "public"}, LABEL, []),
        (LABEL | {"sensitivity": "public"}, LABEL | {"sensitivity": "odd"}, ["label.sensitivity"]),
        (LABEL | {"valid_until": "2028-01-01", "review": 2}, {}, []),
        (LABEL | {"regions": ["World"]}, LABEL | {"regions": ["EU", "CH"]}, []),
        (LABEL | {"regions": ["EU"]}, LABEL | {"regions": ["DE", "CH"]}, ["label.regions"]),
        (LABEL | {"regions": ["DE"]}, LABEL | {"regions": ["EU"]}, ["label.regions"]),
        (LABEL, LABEL | {"kinds": [], "purposes": ["a", "b"]}, []),
    ],
)
def test_a_label_that_allows_more_loosens_and_one_that_allows_nothing_does_not(before, after, looser):
    assert [one.term for one in label_changes(before, after) if one.loosens] == looser


def test_only_terms_beyond_the_usual_ones_are_told():
    usual = {"count": 20, "min_sites": 3}
    assert [one.term for one in beyond(usual, {"count": None, "min_sites": 2})] == ["count", "min_sites"]
    assert beyond(usual, {"count": 5, "min_sites": 4, "until": "2030-01-01"}) == []
