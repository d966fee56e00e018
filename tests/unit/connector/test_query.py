"""Filters of the catalogue: honoured where they can be evaluated, refused by name where they cannot."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.connector.catalogue import query
from medspace.connector.catalogue import service as catalogue_service
from medspace.connector.catalogue.service import Catalogue, publish
from medspace.connector.errors import FilterError
from tests.unit.connector.parties import CONTEXT
from tests.unit.connector.test_catalogue import AVAILABLE, dataset

NS = "https://w3id.org/edc/v0.0.1/ns/"
SETS = (
    dataset("urn:a", title="Hearts", keywords=("heart", "cohort"), description="Age and vessels"),
    dataset("urn:b", title="Lungs", keywords=("lung",), description="100% of the ward"),
    dataset("urn:c", title="Hearts, old", keywords=(), description="", digest="sha256:" + "1" * 64),
    dataset("urn:d", title="10", formats=("medspace:train", "medspace:statistics")),
    dataset("urn:e", title="9"),
)


@pytest.fixture
async def catalogue(provider):
    def unit(tx):
        return [publish(tx, provider.local, one, AVAILABLE) for one in SETS]

    await provider.database.write(unit)
    return Catalogue(provider.database, provider.local, page_size=3)


async def ask(catalogue, spec, after=None):
    told = {"@context": CONTEXT, "@type": "CatalogRequestMessage", "filter": spec}
    return await catalogue.request(msgspec.json.encode(told), after)


async def found(catalogue, spec, after=None):
    page = msgspec.json.decode((await ask(catalogue, spec, after)).content)
    return "".join(one["@id"][-1] for one in page.get("dataset", []))


def where(left, operator, right, **more):
    one = {"@type": "Criterion", "operandLeft": left, "operator": operator, "operandRight": right}
    return [{"@type": "QuerySpec", "filterExpression": [one], **more}]


@pytest.mark.parametrize(
    ("spec", "ids"),
    [
        ([], "abc"),
        (None, "abc"),
        ([{}], "abc"),
        (
            [{"@type": "QuerySpec", "limit": 50, "offset": 0, "sortOrder": "ASC", "filterExpression": []}],
            "abc",  # as a running connector of another make always asks
        ),
        ({"@type": "QuerySpec", "limit": 2}, "ab"),
        ([{"limit": 0}], ""),
        ([{"@type": "QuerySpec", "offset": 1, "limit": 2}], "bc"),
        ([{"@type": "QuerySpec", "offset": 3, "limit": 50}], "de"),
        ([{"@type": "QuerySpec", "offset": 99}], ""),
        ([{"@type": "QuerySpec", "sortOrder": "DESC", "limit": 9}], "edcba"),
        ([{"@type": "QuerySpec", "sortField": "title", "limit": 9}], "deacb"),
        ([{"@type": "QuerySpec", "sortField": "dct:title", "sortOrder": "DESC", "limit": 2}], "bc"),
        ([{"@type": "edc:QuerySpec", "edc:limit": 1, "edc:offset": 2}], "c"),
        ([{"@type": [f"{NS}QuerySpec"], f"{NS}limit": {"@value": 1}, f"{NS}sortField": "x"}], "a"),
        ([{"@id": "x", "sortField": None, "limit": 1}], "a"),
    ],
)
async def test_limit_offset_and_order(catalogue, spec, ids):
    assert await found(catalogue, spec) == ids


@pytest.mark.parametrize(
    ("left", "operator", "right", "ids"),
    [
        ("id", "=", "urn:b", "b"),
        ("@id", "=", "urn:b", "b"),
        (f"{NS}id", "=", "urn:b", "b"),
        (f"'{NS}id'", "=", "urn:b", "b"),
        ("id", "!=", "urn:b", "acd"),
        ("id", ">", "urn:c", "de"),
        ("id", "<=", "urn:b", "ab"),
        ("id", "in", ["urn:a", "urn:e", "urn:z"], "ae"),
        ("id", "in", "urn:a", "a"),
        ("title", "<", "10", "e"),  # as numbers
        ("title", ">=", 9, "abc"),  # 10 as a number, the others as text
        ("edc:name", "=", "Hearts", "a"),
        ("http://purl.org/dc/terms/title", "like", "Hearts%", "ac"),
        ("title", "like", "%e_rts", "a"),
        ("title", "ilike", "HEARTS%", "ac"),
        ("description", "contains", "100%", "b"),
        ("keyword", "=", "cohort", "a"),
        ("dcat:keyword", "contains", "eart", "ade"),
        ("keywords", "!=", "heart", "bc"),
        ("format", "=", "medspace:statistics", "d"),
        ("medspace:digest", "like", "sha256:1%", "c"),
        ("what nobody shows", "=", "x", ""),
        ("what nobody shows", "!=", "x", "abc"),
        ("title", "=", {"@value": "Hearts"}, "a"),
        ("title", "=", True, ""),
    ],
)
async def test_comparisons(catalogue, left, operator, right, ids):
    assert await found(catalogue, where(left, operator, right)) == ids


async def test_all_comparisons_must_hold(catalogue):
    both = where("title", "like", "H%")[0]["filterExpression"] + where("keyword", "=", "heart")[0]["filterExpression"]
    assert await found(catalogue, [{"filterExpression": both}]) == "a"


async def test_a_page_of_so_many_is_followed_by_the_next(catalogue):
    first = await ask(catalogue, {"limit": 2})
    assert 'after=urn%3Ab>; rel="next"' in first.links
    assert await found(catalogue, {"limit": 2}, "urn:b") == "cd"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("x", "not one QuerySpec"),
        ([1], "not one QuerySpec"),
        ([{}, {}], "not one QuerySpec"),
        ([{"@type": "SparqlQuery"}], "not one QuerySpec"),
        ([{"@type": ["QuerySpec", "More"]}], "not one QuerySpec"),
        ([{"range": {"from": 1}}], "evaluates range"),
        ([{"limit": "50"}], "limit"),
        ([{"limit": -1}], "limit"),
        ([{"limit": True}], "limit"),
        ([{"offset": 1.5}], "offset"),
        ([{"offset": 10**12}], "offset"),
        ([{"sortOrder": "sideways"}], "sideways is not an order"),
        ([{"sortField": 7}], "names no property"),
        ([{"filterExpression": ["x"]}], "not an object"),
        ([{"filterExpression": [{}] * 17}], "16 comparisons"),
        (where("title", "matches", "x"), "no operator matches"),
        (where("title", "=", ["x", "y"]), "has no operand, or too many"),
        (where("title", "=", None), "has no operand, or too many"),
        (where("title", "in", ["x"] * 101), "has no operand, or too many"),
        (where("title", "=", "x" * 257), "is too long"),
        (where("title", "=", [[1]]), "not a text or a number"),
        (where("", "=", "x"), "names no property"),
        (where(None, "=", "x"), "names no property"),
        (where("x" * 257, "=", "x"), "names no property"),
        ([{"filterExpression": [{"operandLeft": "a", "operator": "=", "operandRight": "b", "not": 1}]}], "not"),
    ],
)
async def test_what_cannot_be_evaluated_is_refused_by_name(catalogue, spec, said):
    with pytest.raises(FilterError, match=re.escape(said)):
        await ask(catalogue, spec)


async def test_a_catalogue_that_is_too_large_to_be_looked_through_says_so(catalogue, monkeypatch):
    monkeypatch.setattr(catalogue_service, "SCANNED", 2)
    assert await found(catalogue, where("id", ">", "urn:b")) == "cde"
    monkeypatch.setattr(catalogue_service, "MOST_SCANNED", 4)
    with pytest.raises(FilterError, match="more than 4 datasets"):
        await ask(catalogue, where("id", ">", "urn:b"))


TEXTS = st.text("ab%_.\n", max_size=8)


@given(text=TEXTS, pattern=TEXTS)
def test_like_is_that_of_sql(text, pattern):
    signs = {"%": ".*", "_": "."}
    as_expression = "".join(signs.get(sign) or re.escape(sign) for sign in pattern)
    assert query.like(text, pattern) == bool(re.fullmatch(as_expression, text, re.DOTALL))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
)
NAMES = st.sampled_from(
    ["@type", "limit", "offset", "sortField", "sortOrder", "filterExpression", "operandLeft", "operator"]
)


@given(st.one_of(JSON, st.dictionaries(NAMES, JSON), st.lists(st.dictionaries(NAMES, JSON))))
def test_whatever_comes_is_a_query_or_refused(told):
    try:
        wanted = query.read(told)
    except FilterError:
        return
    assert wanted.matches(SETS[0]) in (True, False)
    assert wanted.key(SETS[0])[1] == "urn:a"
