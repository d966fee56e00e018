"""Labels on columns and rows, and the rule packs that labels name."""

from dataclasses import replace

import pytest

from medspace.policy import labels, laws, portions
from medspace.policy.errors import InvalidLabelError
from medspace.policy.points import Point
from tests.unit.policy.given import request

RESEARCH, MARKETING = "ehds:HealthcareScientificResearch", "dpv:Marketing"
WHOLE = {"purposes": [RESEARCH, MARKETING], "regions": ["World"], "kinds": ["medspace:train"]}
COMPUTE = Point.COMPUTE


def label(**said):
    return labels.parse(WHOLE | said)


def columns(said, touched, **facts):
    return portions.decide_columns(label(columns=said), touched, request(**facts), COMPUTE)


def test_a_label_without_parts_says_nothing_of_them():
    assert portions.decide_columns(label(), None, request(), COMPUTE).permitted
    assert portions.open_rows(label(), request(), COMPUTE) == ()


def test_a_column_is_open_for_what_its_label_allows():
    said = [{"names": ["hiv"], "purposes": [RESEARCH]}, {"names": ["*"]}]
    assert columns(said, {"hiv", "age"}).permitted
    refused = columns(said, {"hiv", "age"}, purpose=MARKETING)
    assert (refused.code, refused.failures[0].clause) == ("label.columns", "label.columns")
    assert columns(said, {"age"}, purpose=MARKETING).permitted


def test_a_column_that_no_label_names_is_closed():
    assert columns([{"names": ["age"]}], {"age"}).permitted
    assert columns([{"names": ["age"]}], {"age", "new"}).code == "label.columns"


def test_who_may_look_at_all_columns_needs_all_of_them():
    assert columns([{"names": ["*"]}], None).permitted
    assert not columns([{"names": ["age"]}], None).permitted
    assert not columns([{"names": ["age"], "purposes": []}, {"names": ["*"]}], None).permitted


@pytest.mark.parametrize(
    ("said", "open_now"),
    [
        ({"regions": ["FR"]}, False),
        ({"regions": []}, False),
        ({"valid_until": "2026-01-01"}, False),
        ({"valid_until": "2026-12-31"}, True),
        ({"valid_from": "2026-12-31"}, False),
        ({"laws": ["china-personal-information"]}, False),
        ({"laws": ["gdpr-research"]}, False),
        ({"sensitivity": "non-public"}, True),
    ],
)
def test_each_thing_that_a_part_says_restricts(said, open_now):
    assert columns([{"names": ["age"], **said}], {"age"}).permitted is open_now


def rows(said, **facts):
    (found,) = portions.open_rows(label(rows=said), request(**facts), COMPUTE)
    return found.within, set(found.values)


def test_only_rows_of_named_values_are_open():
    said = [{"column": "site", "values": ["n", "s"]}, {"column": "site", "values": ["w"], "regions": ["FR"]}]
    assert rows(said) == (True, {"n", "s"})
    assert rows(said, region="FR") == (True, {"n", "s", "w"})


def test_others_are_open_where_a_label_says_so():
    said = [{"column": "person", "values": ["p1"], "purposes": []}, {"column": "person", "others": True}]
    assert rows(said) == (False, {"p1"})
    closed = [said[0], {"column": "person", "others": True, "regions": ["FR"]}]
    assert rows(closed) == (True, set())


def test_a_value_that_two_labels_name_is_open_only_where_both_allow_it():
    said = [{"column": "site", "values": ["n"]}, {"column": "site", "values": ["n", "s"], "regions": ["FR"]}]
    assert rows(said) == (True, set())


def test_where_no_row_is_open_the_task_is_refused():
    none = label(rows=[{"column": "site", "values": ["n"], "purposes": []}])
    assert portions.decide_rows(none, request(), COMPUTE).code == "label.rows"
    assert portions.decide_rows(label(rows=[{"column": "site", "others": True}]), request(), COMPUTE).permitted


@pytest.mark.parametrize(
    "said",
    [
        {"columns": [{"names": ["a"], "purposes": ["nonsense"]}]},
        {"rows": [{"column": "a", "regions": ["Atlantis"]}]},
        {"laws": ["law-of-nature"]},
        {"columns": [{"names": ["a"], "laws": ["law-of-nature"]}]},
        {"columns": [{"name": "a"}]},
        {"rows": [{"values": ["a"]}]},
        {"columns": [{"names": ["a"]}] * (portions.MOST + 1)},
    ],
)
def test_parts_without_a_meaning_are_refused(said):
    with pytest.raises(InvalidLabelError):
        label(**said)


def test_parts_survive_being_written():
    said = label(
        columns=[{"names": ["a"], "purposes": [], "valid_until": "2026-12-31", "laws": ["ehds"]}, {"names": ["*"]}],
        rows=[{"column": "s", "values": ["x"], "sensitivity": "restricted"}, {"column": "s", "others": True}],
        origin="primary-care",
        laws=["ehds"],
        events=["a"],
        states=["b"],
    )
    assert labels.parse(labels.write(said)) == said


# --- rule packs ---------------------------------------------------------------------------------------------------

EHDS = {"events": ("data-permit",), "states": ("opt-outs-left-out",)}


@pytest.mark.parametrize(
    ("pack", "facts", "article"),
    [
        ("ehds", EHDS, None),
        ("ehds", EHDS | {"purpose": MARKETING}, "Article 53(1)"),
        ("ehds", EHDS | {"purpose": "dpv:ProvideOfficialStatistics", "roles": ()}, "Article 53(1)(a) to (c)"),
        ("ehds", EHDS | {"purpose": "dpv:ProvideOfficialStatistics", "roles": ("public-body",)}, None),
        ("ehds", EHDS | {"events": ()}, "Article 68"),
        ("ehds", EHDS | {"states": ()}, "Article 71"),
        ("ehds", EHDS | {"purpose": None}, "Article 53(1)"),
        ("gdpr-research", {"states": ("research-law-named",)}, None),
        ("gdpr-research", {"states": ("research-law-named",), "purpose": MARKETING}, "Article 9(2)(j)"),
        ("china-personal-information", {"region": "CN-BJ", "states": ("separate-consent",)}, None),
        ("china-personal-information", {"region": "CN", "states": ()}, "Article 29"),
        ("china-personal-information", {"region": "DE", "states": ("separate-consent",)}, "Article 38"),
        ("china-personal-information", {"region": "HK", "states": ("separate-consent",)}, "Article 38"),
        (
            "china-personal-information",
            {"region": "DE", "states": ("separate-consent",), "events": ("cn-standard-contract",)},
            "Article 39",
        ),
        (
            "china-personal-information",
            {
                "region": "DE",
                "states": ("separate-consent", "separate-consent-abroad"),
                "events": ("cn-standard-contract",),
            },
            None,
        ),
        ("china-large-or-critical", {"region": "DE", "events": ("cn-standard-contract",)}, "Article 40"),
        ("china-state-organs", {"region": "DE", "events": ("cn-security-assessment",)}, None),
        ("china-data-security", {"region": "DE"}, "Article 31"),
        (
            "china-data-security",
            {"region": "DE", "events": ("cn-security-assessment",), "roles": ("court",)},
            "Article 36",
        ),
        ("china-genetic-resources", {"region": None}, "Article 3"),
        ("china-genetic-resources", {"region": "CN"}, None),
    ],
)
def test_a_pack_names_the_article_that_stands_against_a_use(pack, facts, article):
    stated = {"events": (), "states": (), "roles": ()} | facts
    decision = laws.decide((pack,), request(**stated), COMPUTE)
    assert decision.permitted is (article is None)
    if article:
        assert decision.code == f"law.{pack.replace('-', '_')}"
        assert f", {article}: " in str(decision.failures[0].asked)
        assert "not legal advice" in str(decision.failures[0].asked)


def test_a_label_that_names_a_pack_is_decided_by_it():
    said = label(laws=["ehds"])
    assert labels.decide(said, request(), COMPUTE).code == "law.ehds"
    permitted = request(**EHDS)
    assert labels.decide(said, permitted, COMPUTE).permitted
    assert not labels.decide(said, replace(permitted, purpose=MARKETING), COMPUTE).permitted
