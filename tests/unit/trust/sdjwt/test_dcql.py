"""DCQL: what a query selects, which cards answer it, and what a verifier accepts as an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.trust.credentials.jose import split as split_jws
from medspace.trust.dcql import (
    Card,
    CardQuery,
    CardSet,
    ClaimQuery,
    DcqlError,
    DcqlQuery,
    DcqlUnansweredError,
    check,
    choose,
    matches,
    read_query,
    selected,
)
from medspace.trust.sdjwt.holding import select
from medspace.trust.sdjwt.issuing import sign_sd_jwt
from medspace.trust.sdjwt.model import HIDDEN
from medspace.trust.sdjwt.reading import disclosed
from medspace.trust.sdjwt.vc import FORMAT, verify_issued
from tests.unit.trust.sdjwt.cards import ISSUER_KEY, KEYS, NOW, VCT, Counting, issued
from tests.unit.trust.sdjwt.test_sdjwt import JSON, paths_of

CLAIMS = {
    "name": "Li Na",
    "age": 41,
    "true": True,
    "roles": ["patient", "guardian"],
    "at": [{"city": "A"}, {"city": "B"}],
}
CARD = Card(VCT, CLAIMS)


def asked(*claims, sets=None, **changes):
    one = {"id": "card", "format": FORMAT, "meta": {"vct_values": [VCT]}, "claims": list(claims)} | changes
    if sets:
        one["claim_sets"] = sets
    return {"credentials": [{name: value for name, value in one.items() if value not in ([], None)}]}


def chosen(said, *cards):
    query = read_query(said)
    return choose(query, matches(query, cards or (CARD,)))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("name",), {("name",): "Li Na"}),
        (("roles", None), {("roles", 0): "patient", ("roles", 1): "guardian"}),
        (("roles", 1), {("roles", 1): "guardian"}),
        (("roles", 2), {}),
        (("roles", "0"), {}),
        (("name", 0), {}),
        (("name", None), {}),
        (("missing",), {}),
        (("at", None, "city"), {("at", 0, "city"): "A", ("at", 1, "city"): "B"}),
        (("at", 1, "city"), {("at", 1, "city"): "B"}),
    ],
)
def test_a_path_selects(path, found):
    assert dict(selected(CLAIMS, path)) == found


def test_a_path_over_values_of_different_kinds_selects_nothing():
    assert selected({"a": [{"b": 1}, 7]}, ("a", None, "b")) == ()
    assert selected({"a": [{"b": 1}, HIDDEN]}, ("a", None, "b")) == ((("a", 0, "b"), 1),)
    assert repr(HIDDEN) == "HIDDEN"


def test_values_are_compared_with_their_kind():
    assert chosen(asked({"path": ["age"], "values": [40, 41]}))
    assert chosen(asked({"path": ["age"], "values": ["41"]})) is None
    assert chosen(asked({"path": ["true"], "values": [1]})) is None
    assert chosen(asked({"path": ["true"], "values": [True]}))
    assert chosen(asked({"path": ["roles", None], "values": ["guardian"]}))["card"].paths == (("roles", 1),)


def test_the_first_set_of_claims_that_is_there_is_shown_and_no_more():
    said = asked(
        {"id": "a", "path": ["name"]},
        {"id": "b", "path": ["missing"]},
        {"id": "c", "path": ["age"]},
        sets=[["a", "b"], ["c"], ["a"]],
    )
    assert chosen(said)["card"].paths == (("age",),)


def test_alternatives_between_cards():
    other = {"id": "other", "format": FORMAT, "meta": {"vct_values": ["urn:other"]}}
    extra = {"id": "extra", "format": FORMAT, "meta": {"vct_values": [VCT]}}
    said = asked({"path": ["name"]})
    said["credentials"] += [other, extra]
    assert chosen(said) is None
    said["credential_sets"] = [{"options": [["other"], ["card"]]}, {"options": [["extra"]], "required": False}]
    assert list(chosen(said)) == ["card"]
    assert list(chosen(said, CARD, Card("urn:other", {}))) == ["other"]
    said["credential_sets"][1]["required"] = True
    assert list(chosen(said)) == ["card", "extra"]


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        {"credentials": []},
        {"credentials": asked()["credentials"] * 2},
        asked(id=""),
        asked(id="a b"),
        asked(meta={}),
        asked(meta={"vct_values": []}),
        asked(meta={"vct_values": [7]}),
        asked({"path": []}),
        asked({"path": [-1]}),
        asked({"path": [1.5]}),
        asked({"path": [True]}),
        asked({"path": ["a", 1 << 40]}),
        asked({"path": ["a"] * 40}),
        asked({"path": ["a"], "values": []}),
        asked({"path": ["a"], "values": [1.5]}),
        asked({"path": ["a"], "id": "x"}, {"path": ["b"], "id": "x"}),
        asked({"path": ["a"], "id": "x"}, sets=[["y"]]),
        asked({"path": ["a"]}, sets=[["x"]]),
        asked({"path": ["a"], "id": "x"}, sets=[[]]),
        asked(require_cryptographic_holder_binding=False),
        asked() | {"credential_sets": [{"options": [["nobody"]]}]},
        asked() | {"credential_sets": [{"options": [[]]}]},
        asked() | {"credential_sets": []},
    ],
)
def test_a_query_that_breaks_a_rule_is_refused(said):
    with pytest.raises(DcqlError):
        read_query(said)


def test_nothing_answers_a_query_for_another_format():
    assert chosen(asked(format="mso_mdoc", meta={"doctype_value": "x"})) is None


def test_an_answer_is_held_to_the_query():
    query = read_query(asked({"path": ["name"]}))
    check(query, {"card": [CARD]})
    for shown in (
        {},
        {"other": [CARD]},
        {"card": []},
        {"card": [CARD, CARD]},
        {"card": [Card("urn:other", CLAIMS)]},
        {"card": [Card(VCT, {})]},
    ):
        with pytest.raises(DcqlUnansweredError):
            check(query, shown)
    check(read_query(asked({"path": ["name"]}, multiple=True)), {"card": [CARD, CARD]})


def test_hiding_an_element_does_not_move_the_next_one_into_its_place():
    query = read_query(asked({"path": ["roles", 0], "values": ["guardian"]}))
    hidden = [("roles", 0), ("roles", 1)]
    made = sign_sd_jwt({"roles": ["patient", "guardian"]}, hidden, ISSUER_KEY, Counting(), typ="x")
    signed = split_jws(made.issued, 1 << 18).payload
    second = disclosed(signed, made.disclosures[1:])
    assert second.claims == {"roles": ["guardian"]}  # as the standard prints it, it stands first
    with pytest.raises(DcqlUnansweredError):
        check(query, {"card": [Card(VCT, second.placed)]})
    check(read_query(asked({"path": ["roles", 1], "values": ["guardian"]})), {"card": [Card(VCT, second.placed)]})


def test_a_wallet_shows_a_card_by_a_query():
    held = verify_issued(issued().text, KEYS, NOW)
    match = chosen(asked({"path": ["address", "city"]}), Card(held.vct, held.disclosed.placed))["card"]
    assert len(select(held, match.paths).disclosures) == 1


@given(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4), st.data())
def test_what_a_holder_chooses_a_verifier_accepts_and_no_less_would_do(payload, data):
    every = list(paths_of(payload))
    if not every:
        return
    hidden = data.draw(st.sets(st.sampled_from(every)))
    wanted = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=3, unique=True))
    made = sign_sd_jwt(payload, hidden, ISSUER_KEY, Counting(), typ="x")
    signed = split_jws(made.issued, 1 << 18).payload
    whole = disclosed(signed, made.disclosures)
    query = DcqlQuery((CardQuery("card", FORMAT, (VCT,), tuple(ClaimQuery(one) for one in wanted)),))
    match = choose(query, matches(query, [Card(VCT, whole.placed)]))["card"]
    assert set(match.paths) == set(wanted)

    needed = [text for text in made.disclosures if any(_meet(whole.paths[text], path) for path in match.paths)]
    check(query, {"card": [Card(VCT, disclosed(signed, needed).placed)]})
    on_the_way = [
        whole.paths[one]
        for one in needed
        if any(whole.paths[one] == path[: len(whole.paths[one])] for path in wanted)
    ]
    for left_out in on_the_way[:1]:
        lost = [one for one in made.disclosures if whole.paths[one][: len(left_out)] != left_out]
        with pytest.raises(DcqlUnansweredError):
            check(query, {"card": [Card(VCT, disclosed(signed, lost).placed)]})


def _meet(one, path):
    return all(left == right for left, right in zip(one, path, strict=False))


@given(st.data())
def test_no_query_makes_it_fail_otherwise_than_by_its_error(data):
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["credentials", "credential_sets", "id", "format", "meta", "claims", "path", "vct_values"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
    try:
        query = read_query(data.draw(anything))
    except DcqlError:
        return
    matches(query, [CARD])


def test_an_option_set_that_is_empty_is_never_chosen_by_itself():
    query = DcqlQuery(read_query(asked()).cards, (CardSet((("card",),), required=True),))
    assert choose(query, {"card": ()}) is None
