from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.core.keys import MldsaKey
from medspace.trust import jws
from medspace.trust import members as members_module
from medspace.trust.errors import (
    MembersExpiredError,
    MembersListError,
    MembersPrematureError,
    MembersSignatureError,
)
from medspace.trust.members import LARGEST_LIST, TYPE, read_members, sign_members, verify_members
from medspace.trust.model import Member, MemberList
from tests.signing import ring_of
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, KEYS, list_at, member_of, members_at

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = KEYS[AUTHORITY].public_key


def test_a_list_is_read_as_it_was_signed():
    members = members_at(NOW, HOSPITAL, COMPANY)
    assert verify_members(sign_members(KEYS[AUTHORITY], members), KEY, NOW) == members
    assert members.find(COMPANY) == member_of(COMPANY)
    assert members.find(AUTHORITY) is None


def test_a_list_may_be_empty_and_names_may_be_in_any_script():
    member = Member(HOSPITAL, "协和医院 “Ä” \n", "CN", (), KEYS[HOSPITAL].public_key)
    for members in ((), (member,)):
        listed = MemberList(AUTHORITY, NOW, NOW + timedelta(days=1), members)
        assert verify_members(sign_members(KEYS[AUTHORITY], listed), KEY, NOW) == listed


def test_who_operates_a_member_is_part_of_the_list():
    member = replace(member_of(HOSPITAL), operator="did:web:chain.example")
    listed = MemberList(AUTHORITY, NOW, NOW + timedelta(days=1), (member, member_of(COMPANY)))
    read = verify_members(sign_members(KEYS[AUTHORITY], listed), KEY, NOW)
    assert [one.operator for one in read.members] == ["did:web:chain.example", ""]


def test_a_list_is_valid_until_before_it_expires():
    text = list_at(NOW, HOSPITAL, days=1)
    verify_members(text, KEY, NOW + timedelta(days=1, seconds=-1))
    with pytest.raises(MembersExpiredError):
        verify_members(text, KEY, NOW + timedelta(days=1))
    assert read_members(text, KEY).find(HOSPITAL)


def test_a_list_of_the_future_is_refused():
    with pytest.raises(MembersPrematureError):
        verify_members(list_at(NOW + timedelta(minutes=1)), KEY, NOW)


def test_a_member_is_named_once():
    with pytest.raises(MembersListError):
        list_at(NOW, HOSPITAL, HOSPITAL)


@pytest.mark.parametrize(
    "member",
    [
        Member("did:web:10.0.0.1", "a", "DE", (), bytes(32)),
        Member("mailto:a@b", "a", "DE", (), bytes(32)),
        Member(HOSPITAL, "a", "DE", (), bytes(31)),
    ],
)
def test_a_member_that_could_not_call_is_not_signed(member):
    with pytest.raises(MembersListError):
        sign_members(KEYS[AUTHORITY], MemberList(AUTHORITY, NOW, NOW + timedelta(days=1), (member,)))


def test_another_signature_is_refused():
    with pytest.raises(MembersSignatureError):
        verify_members(sign_members(KEYS[COMPANY], members_at(NOW, COMPANY)), KEY, NOW)


def signed(claims, typ=TYPE):
    return jws.sign(KEYS[AUTHORITY], kid="a", typ=typ, claims=claims)


GOOD = {"iss": AUTHORITY, "iat": 1_767_225_600, "exp": 1_767_312_000, "members": []}
ENTRY = {"did": HOSPITAL, "name": "a", "region": "DE", "roles": [], "public_key": "AAAA"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        signed(GOOD, typ="JWT"),
        signed({**GOOD, "members": None}),
        signed({**GOOD, "members": [ENTRY]}),
        signed({**GOOD, "members": [{**ENTRY, "public_key": "?"}]}),
        signed({**GOOD, "members": [{**ENTRY, "roles": "authority"}]}),
        signed({**GOOD, "exp": "never"}),
        signed({**GOOD, "exp": 2**53 - 1}),
        signed({**GOOD, "iat": -(2**53) + 1}),
        signed([]),
        "a" * (LARGEST_LIST + 1),
    ],
)
def test_anything_else_is_no_list(text):
    with pytest.raises(MembersListError):
        verify_members(text, KEY, NOW)


def test_a_list_is_bounded(monkeypatch):
    text = signed(GOOD)
    monkeypatch.setattr(members_module, "LARGEST_LIST", len(text))
    verify_members(text, KEY, NOW)
    monkeypatch.setattr(members_module, "LARGEST_LIST", len(text) - 1)
    with pytest.raises(MembersListError, match="larger"):
        verify_members(text, KEY, NOW)


def test_clocks_may_differ_a_little():
    verify_members(list_at(NOW + members_module.LEEWAY), KEY, NOW)


def test_the_shape_that_the_refusals_start_from_is_good():
    assert verify_members(signed(GOOD), KEY, NOW).members == ()


# --- ML-DSA-65 keys -------------------------------------------------------------------------------------------------

PUBLIC = ring_of("hospital").known[0].public
SECONDS = int(NOW.timestamp())


def with_mldsa(*keys):
    return MemberList(AUTHORITY, NOW, NOW + timedelta(days=1), (replace(member_of(HOSPITAL), mldsa=keys),))


def test_the_keys_of_a_member_are_part_of_the_list_with_their_times():
    other = ring_of("other").known[0].public
    keys = (MldsaKey(PUBLIC, SECONDS, SECONDS + 9), MldsaKey(other, SECONDS + 1), MldsaKey(bytes(1952), 5, 0, 7))
    read = verify_members(sign_members(KEYS[AUTHORITY], with_mldsa(*keys)), KEY, NOW)
    assert read.members[0].mldsa == keys


def test_a_list_of_an_older_authority_names_none():
    assert verify_members(list_at(NOW, HOSPITAL), KEY, NOW).members[0].mldsa == ()


@pytest.mark.parametrize(
    "mldsa",
    [
        [{"key": jws.encode(PUBLIC)}], [{"key": jws.encode(PUBLIC), "since": -1}],
        [{"key": jws.encode(PUBLIC[1:]), "since": 1}], [{"key": "?", "since": 1}], [{"since": 1}], "keys",
        [{"key": jws.encode(PUBLIC), "since": 1}] * 2,
        [{"key": jws.encode(number.to_bytes(2, "big") * 976), "since": 1} for number in range(17)],
        [{"key": jws.encode(PUBLIC), "since": 1, "until": "never"}],
    ],
)  # fmt: skip
def test_a_key_that_is_none_spoils_the_list(mldsa):
    claims = {"iss": AUTHORITY, "iat": SECONDS, "exp": SECONDS + 9}
    member = {"did": HOSPITAL, "name": "", "region": "", "roles": []}
    entry = member | {"public_key": jws.encode(KEYS[HOSPITAL].public_key), "mldsa": mldsa}
    text = jws.sign(KEYS[AUTHORITY], kid="k", typ=TYPE, claims=claims | {"members": [entry]})
    with pytest.raises(MembersListError):
        read_members(text, KEY)
