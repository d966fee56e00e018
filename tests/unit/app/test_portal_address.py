"""Where the portal is: what passkeys can be bound to, and the origin as browsers write it."""

import pytest

from medspace.app.node import portal


@pytest.mark.parametrize(
    "url",
    [
        "portal.example",
        "ftp://portal.example",
        "https://",
        "https://10.1.2.3",
        "https://[::1]:8201",
        "https://portal.example/path",
        "https://portal.example/?a=b",
        "https://portal.example/#a",
        "https://me:word@portal.example",
        "https://portal.example:port",
        "https://portal.example:99999",
        "https://портал.example",
        "https://a..b",
        "https://-a.example",
        "https://a_b.example",
        "https://[::1",
        "javascript:alert(1)",
    ],
)
def test_an_address_that_no_passkey_can_be_bound_to_is_refused(url):
    assert "name and no path" in str(portal.flaw(url))


@pytest.mark.parametrize("url", ["http://portal.example", "http://localhost.example", "http://portal.localhost"])
def test_pages_are_reached_by_https_or_on_this_machine(url):
    assert "https" in str(portal.flaw(url))


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("", "http://localhost:8201", "localhost"),
        ("http://localhost:9000", "http://localhost:9000", "localhost"),
        ("https://portal.example", "https://portal.example", "portal.example"),
        ("https://Portal.Example:443/", "https://portal.example", "portal.example"),
        ("https://portal.example:8443", "https://portal.example:8443", "portal.example"),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(url, origin, host):
    assert portal.flaw(url) is None
    assert portal.origin_of(url, 8201) == origin
    party = portal.party_of(origin, "Clinic")
    assert (party.id, party.origin, party.name) == (host, origin, "Clinic")
    assert portal.entrance(origin, "msl_1") == f"{origin}/portal/enter?link=msl_1"
