"""Status lists: bits, their packing, and what keeps a list from being used."""

import gzip
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.trust.credentials.errors import CredentialError
from medspace.trust.credentials.model import CredentialProfile, StatusEntry, StatusList
from medspace.trust.credentials.status import (
    FEWEST_BITS,
    MOST_BYTES,
    StatusDraft,
    check_status,
    new_bits,
    set_bit,
    sign_next_list,
    sign_status_list,
    unpack,
    verify_status_list,
)
from medspace.trust.credentials.vcjwt import sign_credential
from medspace.trust.jws import encode
from tests.unit.trust.credentials.parties import HOLDER, ISSUER, LIST, NOW, document_of, draft, key_of

KEY = key_of(ISSUER)
DOCUMENT = document_of(ISSUER, KEY)
ENTRY = StatusEntry(LIST, 7, "revocation")
DRAFT = StatusDraft(LIST, ISSUER, "revocation", NOW, NOW + timedelta(hours=1), set_bit(new_bits(), 7, on=True))


def code_of(call, *given, **named):
    with pytest.raises(CredentialError) as error:
        call(*given, **named)
    return error.value.code


@pytest.mark.parametrize("profile", tuple(CredentialProfile))
def test_a_list_is_read_as_it_was_signed(profile):
    text = sign_status_list(DRAFT, KEY, profile)
    read = verify_status_list(text, DOCUMENT, NOW, url=LIST)
    assert read == StatusList(LIST, ISSUER, ("revocation",), NOW, DRAFT.valid_until, DRAFT.bits, text)
    assert code_of(check_status, ENTRY, ISSUER, read, NOW) == "credential.revoked"
    check_status(replace(ENTRY, index=8), ISSUER, read, NOW)


def test_the_next_list_is_later_even_where_the_clock_is_not():
    first = sign_next_list(KEY, DRAFT, None)
    second = sign_next_list(KEY, DRAFT, first.issued + timedelta(minutes=1))
    assert first.issued == NOW
    assert second.issued > first.issued + timedelta(minutes=1)
    assert second.until - second.issued == first.until - first.issued == timedelta(hours=1)
    read = verify_status_list(first.text, DOCUMENT, NOW, url=LIST)
    assert (read.issued, read.valid_until) == (first.issued, first.until)
    due = [first.is_due(NOW + timedelta(minutes=minutes)) for minutes in (0, 14, 15, 90)]
    assert due == [False, False, True, True]


@given(st.sets(st.integers(0, FEWEST_BITS - 1), max_size=8))
@settings(max_examples=25, deadline=None)
def test_exactly_the_bits_that_were_set_are_set(indices):
    bits = new_bits()
    for index in indices:
        bits = set_bit(bits, index, on=True)
    listed = StatusList(LIST, ISSUER, ("revocation",), NOW, None, unpack(encode(gzip.compress(bits))), "")
    assert {index for index in range(FEWEST_BITS) if bits[index >> 3] and listed.holds(index)} == indices
    for index in indices:
        bits = set_bit(bits, index, on=False)
    assert bits == new_bits()


def test_the_first_bit_is_the_highest():
    assert set_bit(new_bits(), 0, on=True)[0] == 0x80


def test_a_list_says_nothing_of_others():
    read = verify_status_list(sign_status_list(DRAFT, KEY), DOCUMENT, NOW)
    for entry, issuer, now in (
        (replace(ENTRY, url=LIST + "2"), ISSUER, NOW),
        (ENTRY, HOLDER, NOW),
        (replace(ENTRY, purpose="suspension"), ISSUER, NOW),
        (replace(ENTRY, index=FEWEST_BITS), ISSUER, NOW),
        (ENTRY, ISSUER, NOW + timedelta(hours=1)),
    ):
        assert code_of(check_status, entry, issuer, read, now) == "credential.status"
    check_status(replace(ENTRY, purpose="refresh"), ISSUER, read, NOW)
    suspended = replace(read, purposes=("suspension",))
    assert (
        code_of(check_status, replace(ENTRY, purpose="suspension"), ISSUER, suspended, NOW) == "credential.suspended"
    )


def test_lists_that_are_not_used():
    text = sign_status_list(DRAFT, KEY)
    assert code_of(verify_status_list, text, DOCUMENT, NOW + timedelta(hours=1)) == "credential.status"
    assert code_of(verify_status_list, text, DOCUMENT, NOW - timedelta(hours=1)) == "credential.status"
    assert code_of(verify_status_list, text, DOCUMENT, NOW, url=LIST + "2") == "credential.status"
    assert code_of(verify_status_list, text, document_of(HOLDER, key_of(HOLDER)), NOW) == "credential.status"
    assert code_of(verify_status_list, "nothing", DOCUMENT, NOW) == "credential.status"
    assert code_of(verify_status_list, sign_credential(draft(), KEY), DOCUMENT, NOW) == "credential.status"


def list_with(**claims):
    whole = {
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": "u" + encode(gzip.compress(b"a")),
    }
    types = ("BitstringStatusListCredential",)
    return sign_credential(draft(types=types, claims=whole | claims, status=()), KEY)


@pytest.mark.parametrize(
    "claims",
    [
        {"type": "Something"},
        {"statusPurpose": 7},
        {"statusPurpose": []},
        {"statusPurpose": ["a"] * 9},
        {"encodedList": None},
        {"encodedList": "u!!"},
        {"encodedList": "u" + encode(zlib.compress(b"a"))},
        {"encodedList": "u" + encode(gzip.compress(b"a")[:-4])},
        {"encodedList": "u" + encode(gzip.compress(b"a") + b"more")},
        {"encodedList": "u" + encode(gzip.compress(b""))},
    ],
)
def test_content_that_is_wrong(claims):
    assert code_of(verify_status_list, list_with(**claims), DOCUMENT, NOW) == "credential.status"


def test_the_same_list_unharmed():
    """Without this the cases above would prove nothing."""
    assert verify_status_list(list_with(), DOCUMENT, NOW).bits == b"a"


def test_a_bomb_is_not_unpacked():
    bomb = encode(gzip.compress(bytes(64 * MOST_BYTES)))
    assert len(bomb) < MOST_BYTES
    assert code_of(unpack, bomb) == "credential.status"


def test_sizes_that_cannot_be():
    for size in (8, FEWEST_BITS + 1, MOST_BYTES * 8 + 8):
        with pytest.raises(ValueError, match="cannot have"):
            new_bits(size)
    for index in (-1, FEWEST_BITS):
        with pytest.raises(IndexError):
            set_bit(new_bits(), index, on=True)
