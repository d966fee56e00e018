"""Token Status Lists: bound to the issuer and the address, valid now, never unpacked without a limit."""

import zlib
from datetime import timedelta

import pytest

from medspace.trust.credentials import jose
from medspace.trust.jws import encode
from medspace.trust.sdjwt.errors import CardRevokedError, CardSuspendedError, SdJwtMalformedError, TokenStatusError
from medspace.trust.sdjwt.model import StatusReference
from medspace.trust.sdjwt.statuslist import (
    MOST_BYTES,
    TYP,
    TokenStatusDraft,
    check_token_status,
    pack,
    sign_token_status_list,
    verify_token_status_list,
)
from medspace.trust.sdjwt.vc import status_reference
from tests.unit.trust.sdjwt.cards import ISSUER, ISSUER_KEY, KEYS, LIST, NOW, THIEF_KEY

DAY = timedelta(hours=24)


def listed(statuses, bits=1, at=NOW, key=ISSUER_KEY, url=LIST):
    return sign_token_status_list(TokenStatusDraft(url, ISSUER, at, at + DAY, pack(statuses, bits=bits), bits), key)


def signed(typ=TYP, **changes):
    payload = {
        "iss": ISSUER,
        "sub": LIST,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + DAY).timestamp()),
        "status_list": {"bits": 1, "lst": encode(zlib.compress(bytes(16)))},
    } | changes
    return jose.sign(ISSUER_KEY, {name: one for name, one in payload.items() if one is not None}, typ=typ)


def test_a_card_counts_until_its_status_is_set():
    reference = StatusReference(LIST, 7)
    read = verify_token_status_list(listed({}), KEYS, LIST, NOW)
    check_token_status(reference, ISSUER, read, NOW)
    revoked = verify_token_status_list(listed({7: 1}), KEYS, LIST, NOW)
    with pytest.raises(CardRevokedError):
        check_token_status(reference, ISSUER, revoked, NOW)
    check_token_status(StatusReference(LIST, 6), ISSUER, revoked, NOW)
    check_token_status(StatusReference(LIST, 8), ISSUER, revoked, NOW)


def test_statuses_of_more_bits():
    read = verify_token_status_list(listed({7: 2, 8: 3}, bits=2), KEYS, LIST, NOW)
    with pytest.raises(CardSuspendedError):
        check_token_status(StatusReference(LIST, 7), ISSUER, read, NOW)
    with pytest.raises(CardRevokedError):
        check_token_status(StatusReference(LIST, 8), ISSUER, read, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        listed({}, key=THIEF_KEY),
        listed({}, url="https://other.example/lists/1"),
        listed({}, at=NOW - DAY),
        listed({}, at=NOW + DAY),
        signed(typ="JWT"),
        signed(sub=None),
        signed(iss="https://other.example"),
        signed(exp=None),
        signed(iat=None),
        signed(exp="never"),
        signed(status_list=None),
        signed(status_list={"bits": 3, "lst": "eNrbuRgAAhcBXQ"}),
        signed(status_list={"bits": True, "lst": "eNrbuRgAAhcBXQ"}),
        signed(status_list={"bits": 1, "lst": 7}),
        signed(status_list={"bits": 1, "lst": "!"}),
        signed(status_list={"bits": 1, "lst": encode(zlib.compress(bytes(9))[:-2])}),
        signed(status_list={"bits": 1, "lst": encode(zlib.compress(bytes(9)) + b"x")}),
        signed(status_list={"bits": 1, "lst": encode(zlib.compress(b""))}),
        signed(status_list={"bits": 1, "lst": encode(zlib.compress(bytes(MOST_BYTES + 1)))}),
    ],
)
def test_a_list_that_does_not_hold(text):
    assert verify_token_status_list(signed(), KEYS, LIST, NOW).bits == 1
    with pytest.raises(TokenStatusError):
        verify_token_status_list(text, KEYS, LIST, NOW)


def test_a_list_says_nothing_beyond_its_end_its_size_or_its_address():
    read = verify_token_status_list(listed({}), KEYS, LIST, NOW)
    for reference, issuer, now in (
        (StatusReference(LIST, 131_072), ISSUER, NOW),
        (StatusReference("https://other.example", 7), ISSUER, NOW),
        (StatusReference(LIST, 7), "https://other.example", NOW),
        (StatusReference(LIST, 7), ISSUER, NOW + DAY),
        (StatusReference(LIST, 7), ISSUER, NOW - DAY),
    ):
        with pytest.raises(TokenStatusError):
            check_token_status(reference, issuer, read, now)
    with pytest.raises(IndexError):
        read.status(-1)


@pytest.mark.parametrize(
    ("statuses", "size", "bits"),
    [
        ({}, 8, 3),
        ({}, 9, 1),
        ({}, 0, 1),
        ({}, MOST_BYTES * 8 + 8, 1),
        ({8: 1}, 8, 1),
        ({-1: 1}, 8, 1),
        ({0: 2}, 8, 1),
    ],
)
def test_no_such_list(statuses, size, bits):
    with pytest.raises(ValueError, match="no such"):
        pack(statuses, size, bits)


@pytest.mark.parametrize(
    "said",
    [
        {"status_list": {"idx": -1, "uri": LIST}},
        {"status_list": {"idx": True, "uri": LIST}},
        {"status_list": {"idx": "1", "uri": LIST}},
        {"status_list": {"idx": 1, "uri": ""}},
        {"status_list": {"idx": 1, "uri": LIST + "x" * 3000}},
        {"status_list": []},
        {},
        [],
        "none",
    ],
)
def test_a_status_that_cannot_be_looked_up_is_refused_and_not_taken_for_none(said):
    with pytest.raises(SdJwtMalformedError):
        status_reference(said)
    assert status_reference(None) is None
    assert status_reference({"status_list": {"idx": 1, "uri": LIST}}) == StatusReference(LIST, 1)
