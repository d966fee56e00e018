"""Facets of catalogues: counts that agree with looking at every dataset, pages in order, terms as they decide."""

from types import SimpleNamespace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from medspace.connector.catalogue import facets, figures
from medspace.connector.catalogue.facets import FACETS, NOTHING, DatasetFacts, FacetIndex, facts_of, name_of
from medspace.policy import templates

NO_FIGURES = figures.read(None)
RESEARCH = "ehds:HealthcareScientificResearch"
VALUES = st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(tuple)
FACTS = st.fixed_dictionaries(dict.fromkeys(FACETS[:3], VALUES))
CHOSEN = st.fixed_dictionaries({}, optional={name: st.lists(st.sampled_from("abcdx"), max_size=2) for name in FACETS})


def entry(number, values, text=""):
    return {"participant": "did:web:h", "id": f"{number:03d}"}, DatasetFacts(values, text)


def listed(**more):
    plain = {"participant": "did:web:h", "id": "d", "title": "Heart", "description": "", "keywords": ["ECG"]}
    return {**plain, "formats": ["medspace:train"], "offers": [], "dictionary": None, "figures": NO_FIGURES, **more}


def offer(**terms):
    return templates.build("train-only", offer_id="urn:offer:1", **{"purposes": [RESEARCH], **terms})


@given(st.lists(st.tuples(FACTS, st.sampled_from(("heart", "heart lung", "lung"))), max_size=30), CHOSEN)
def test_counts_agree_with_looking_at_every_dataset(facts, chosen):
    entries = [entry(number, *one) for number, one in enumerate(facts)]
    found = FacetIndex.of(entries).search("HEART", chosen, limit=100, most=100)

    def has(one, wanted):
        values = one.values
        return "heart" in one.text and all(not v or set(v) & set(values.get(n, ())) for n, v in wanted.items())

    expected = [dataset for dataset, one in entries if has(one, chosen)]
    assert (list(found.page), found.total, found.more) == (expected, len(expected), False)
    for name in FACETS:
        for one in found.facets[name]:
            with_it = {**chosen, name: [one.value]}
            assert one.count == sum(has(each, with_it) for _, each in entries)
            assert one.chosen == (one.value in chosen.get(name, ()))
        shown = {one.value for one in found.facets[name]}
        assert set(chosen.get(name, ())) <= shown


def test_pages_follow_one_another_and_few_values_are_told():
    index = FacetIndex.of(entry(number, {"column": ("age", f"own{number}")}) for number in range(7))
    pages, after = [], ""
    while True:
        found = index.search("", {}, after=after, limit=3, most=2)
        pages += found.page
        if not found.more:
            break
        after = name_of(found.page[-1])
    assert [one["id"] for one in pages] == [f"{number:03d}" for number in range(7)]
    assert [(one.value, one.count) for one in found.facets["column"]] == [("age", 7), ("own0", 1)]
    assert (len(index), index.knows(after), index.knows("did:web:h x")) == (7, True, False)


def test_a_name_that_is_there_twice_hides_nothing_between():
    twice = entry(0, {})
    index = FacetIndex.of([twice, *(entry(number, {}) for number in range(1, 5)), twice])
    first = index.search("", {}, limit=1, most=0)
    rest = index.search("", {}, after=name_of(first.page[0]), limit=9, most=0)
    assert [one["id"] for one in (*first.page, *rest.page)] == ["000", "001", "002", "003", "004"]
    assert (first.total, rest.more) == (5, False)


def test_many_values_of_one_participant_cost_little_and_rare_ones_are_still_found(monkeypatch):
    monkeypatch.setattr(facets, "MOST_COUNTED", 2)
    monkeypatch.setattr(facets, "MOST_OF_ONE", 4)
    entries = [entry(number, {"column": ("age", f"own{number}")}) for number in range(9)]
    other = {"participant": "did:web:other", "id": "x"}, DatasetFacts({"column": ("bmi",)}, "")
    index = FacetIndex.of([*entries, other])
    told = index.search("", {"column": ["bmi", "own8"]}, limit=9, most=9)
    assert list(told.page) == [other[0]], "of the first nothing more is kept than it may bring"
    counted = [(one.value, one.count) for one in told.facets["column"]]
    assert counted == [("bmi", 1), ("own8", 0), ("age", 9)]
    assert index.search("", {"column": ["own2"]}, limit=9, most=9).total == 1


def test_what_is_only_listed_has_no_facets():
    found = FacetIndex.of([({"participant": "p", "id": "a"}, NOTHING)]).search("", {}, limit=1, most=5)
    assert (found.total, set(found.facets.values())) == (1, {()})


def test_a_dataset_is_found_by_what_its_terms_allow_and_its_columns_are():
    columns = [{"name": "chol", "system": "http://loinc.org/2093-3", "description": "Serum Cholesterol"}, 3, {}]
    described = msgspec.Raw(msgspec.json.encode({"columns": columns}))
    offers = msgspec.Raw(msgspec.json.encode([offer(until="2030-06-30T00:00:00Z"), {"@id": "flawed"}, 7]))
    facts = facts_of(listed(offers=offers, dictionary=described), "Clinic", "DE")
    assert facts.values["purpose"] == (RESEARCH, "ehds:TrainTestAndEvaluateAISystemsAlgorithms")
    assert facts.values["until"] == ("2030",)
    assert (facts.values["column"], facts.values["concept"]) == (("chol",), ("http://loinc.org/2093-3",))
    assert (facts.values["region"], facts.values["kind"]) == (("DE",), ("medspace:train",))
    assert all(word in facts.text for word in ("heart", "ecg", "clinic", "chol", "serum cholesterol"))


def test_terms_without_an_end_are_open_and_those_of_several_offers_add_up():
    more = offer(purposes=["dpv:Marketing"], until="2031-01-01T00:00:00Z")
    both = facts_of(listed(offers=[offer(until="2030-06-30T00:00:00Z"), more]))
    assert (both.values["until"], "dpv:Marketing" in both.values["purpose"]) == (("2031",), True)
    assert facts_of(listed(offers=[offer()])).values["until"] == ("open",)
    assert facts_of(listed()).values["until"] == facts_of(listed()).values["purpose"] == ()


def test_offers_that_cannot_be_read_say_nothing_and_hide_nothing():
    odd = [7, {"permission": 3}, {"permission": [{"action": ["use", "use"], "constraint": 7}]}]
    assert facts_of(listed(offers=odd)).values["purpose"] == facts_of(listed(offers=odd)).values["until"] == ()
    assert facts_of(listed(offers=[*odd, offer(until="2031-01-01T00:00:00Z")])).values["until"] == ("2031",)


def test_odd_columns_and_long_values_are_cut():
    odd = {"columns": [{"name": "x" * 500, "system": 3}]}
    assert facts_of(listed(dictionary=odd)).values["column"] == ("x" * 200,)
    assert facts_of(listed(dictionary=SimpleNamespace())).values["column"] == ()


def test_any_size_may_be_asked_for_and_round_ones_are_told():
    sizes = {"none": None, "small": 50, "middle": 350, "large": 12_000}
    index = FacetIndex.of(
        (one, facts_of(one)) for name, size in sizes.items() for one in [listed(id=name, figures={"persons": size})]
    )

    def found(*least):
        return [one["id"] for one in index.search("", {"size": least}, limit=9, most=99).page]

    assert found("1") == ["small", "middle", "large"]
    assert found("50") == ["small", "middle", "large"]
    assert found("51") == found("350") == ["middle", "large"]
    assert found("351") == found("12000") == ["large"]
    assert found("12001") == found("many") == []
    assert found("350", "5000") == ["middle", "large"]
    told = {one.value: one.count for one in index.search("", {"size": ["300"]}, limit=9, most=99).facets["size"]}
    assert told == {
        "300": 2,
        "50": 3,
        "100": 2,
        "200": 2,
        **dict.fromkeys(("500", "1000", "2000", "5000", "10000"), 1),
    }


def test_what_others_say_of_their_size_is_taken_as_they_say_it_or_not_at_all():
    assert figures.read({"persons": 300, "persons_step": 50, "missing": {"a": 10}, "missing_step": 10}) == {
        "persons": 300, "persons_step": 50, "missing": {"a": 10}, "missing_step": 10, "reached": {},
    }  # fmt: skip
    assert figures.read(None, "1234")["persons"] == figures.read(None, {"@value": 1234})["persons"] == 1234
    for odd in (-1, 1.5, "many", [], {}, None, True, 1e400, 10**30):
        assert figures.read({"persons": odd, "missing": {"a": odd}, "missing_step": 10}) == figures.read(None)
    assert figures.read({"missing": {"a": 101, "b": 100}})["missing"] == {"b": 100}
