"""Forms come from this portal and this session; pages load nothing from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from medspace.app.doors.portal.guarding import (
    SESSION,
    ForeignFormError,
    check_length,
    check_origin,
    check_token,
    forget,
    guarded,
    keep,
)
from medspace.app.doors.portal.signing_in import address, within
from medspace.connector.errors import MessageTooLargeError

OWN = "http://localhost:8081"


def request(**headers):
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/portal/enter", "headers": told, "query_string": b""})


@pytest.mark.parametrize("headers", [{"origin": OWN}, {"sec_fetch_site": "same-origin"}])
def test_forms_of_our_own_pages_are_taken(headers):
    check_origin(request(**headers), OWN)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://localhost:8082"},
        {"origin": "https://localhost:8081"},
        {"origin": "http://localhost:8081.evil.example"},
        {"origin": "null", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
    ],
)
def test_forms_from_elsewhere_are_refused(headers):
    with pytest.raises(ForeignFormError):
        check_origin(request(**headers), OWN)


@given(st.text(max_size=80))
def test_only_the_token_of_the_session_counts(given_token):
    token = "a" * 64
    if given_token != token:
        with pytest.raises(ForeignFormError):
            check_token(token, given_token)
    check_token(token, token)


def test_without_a_session_no_token_counts():
    with pytest.raises(ForeignFormError):
        check_token("", "")


@pytest.mark.parametrize("length", ["", "-1", "11", "1e3", "٣"])
def test_forms_of_unknown_or_excessive_length_are_refused(length):
    with pytest.raises(MessageTooLargeError):
        check_length(request(**({"content_length": length} if length else {})), 10)


def test_pages_load_nothing_from_elsewhere():
    policy = guarded(Response()).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "http" not in policy
    assert (
        "trusted-types"
        not in guarded(Response(), frozenset({"vendor/htmx.min.js"})).headers["content-security-policy"]
    )


def test_the_session_is_read_by_no_script_and_sent_by_no_other_site():
    answer = Response()
    keep(answer, SESSION, "secret")
    cookie = answer.headers["set-cookie"].lower()
    assert all(one in cookie for one in ("httponly", "secure", "samesite=strict", "path=/"))
    assert "domain" not in cookie
    forget(answer, SESSION)


@given(st.text(max_size=60))
def test_people_are_sent_to_pages_of_the_portal_only(path):
    where = address(path)
    assert where.startswith("/portal/sign-in")
    assert within(path) == (where != "/portal/sign-in") or path == "/portal/"


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/portal//evil", "/portal/../x", "https://evil.example", "/portal/\\evil", "/portal/\n"],
)
def test_no_way_out_is_taken_for_a_way_back(path):
    assert not within(path)
