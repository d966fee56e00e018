from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.adapters.http.guard import Guard, ParsedUrl, check_callback, is_public
from medspace.connector.errors import CallbackError

HERE = Guard(loopback=True)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hospital.example", ParsedUrl("https", "hospital.example", 443, "/")),
        ("https://Hospital.Example/dsp/2025-1?a=b", ParsedUrl("https", "hospital.example", 443, "/dsp/2025-1?a=b")),
        ("https://hospital.example:8443/", ParsedUrl("https", "hospital.example", 8443, "/")),
        ("https://93.184.216.34/x", ParsedUrl("https", "93.184.216.34", 443, "/x")),
        ("https://[2606:4700::1111]:8443/x", ParsedUrl("https", "2606:4700::1111", 8443, "/x")),
    ],
)
def test_a_public_address_may_be_called(url, target):
    assert Guard().target(url) == target


def test_this_machine_may_be_called_where_it_is_allowed():
    assert HERE.target("http://127.0.0.1:8101/a").port == 8101
    assert HERE.target("http://[::1]:8101/a").authority == "[::1]:8101"
    assert HERE.target("http://localhost/a") == ParsedUrl("http", "localhost", 80, "/a")
    for url in ("http://127.0.0.1:8101/a", "http://[::1]:8101/a", "https://localhost/a"):
        with pytest.raises(ForbiddenAddressError):
            Guard().target(url)


def test_a_network_may_be_allowed():
    guard = Guard.of(["10.1.0.0/16", "fd00:1::/32"])
    assert guard.target("https://10.1.2.3:8443/").host == "10.1.2.3"
    assert guard.target("https://[fd00:1::2]/").host == "fd00:1::2"
    for url in ("https://10.2.0.1/", "http://10.1.2.3:8080/", "https://[fd00:2::1]/", "https://127.0.0.1/"):
        with pytest.raises(ForbiddenAddressError):
            guard.target(url)


@pytest.mark.parametrize("network", ["127.0.0.0/8", "127.0.0.1", "::1/128"])
def test_a_loopback_network_in_the_configuration_means_this_machine(network):
    guard = Guard.of([network, "10.0.0.0/8"])
    assert guard == Guard.of(["10.0.0.0/8"], loopback=True)
    assert guard.loopback
    # but no name other than localhost may turn out to be this machine
    with pytest.raises(ForbiddenAddressError):
        guard.check_addresses("", "hospital.example", ["127.0.0.1"])


def test_a_network_that_is_none_is_said():
    with pytest.raises(ValueError, match="nonsense"):
        Guard.of(["nonsense"])


@pytest.mark.parametrize("port", [1, 22, 25, 80, 442, 1023, 65_536, 99_999])
def test_a_port_of_another_protocol_is_refused(port):
    with pytest.raises(ForbiddenAddressError):
        Guard().target(f"https://hospital.example:{port}/")


def test_a_callback_is_refused_in_the_words_of_the_connector():
    check_callback("https://hospital.example/callback", Guard())
    with pytest.raises(CallbackError) as refused:
        check_callback("https://10.0.0.1/callback", Guard())
    assert refused.value.facts["address"] == "https://10.0.0.1/callback"
    assert "10.0.0.1 is not a public address" in str(refused.value)


@given(
    st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fc00::/7") | st.ip_addresses(network="fe80::/10")
)
def test_no_private_address_is_public(address):
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_in_an_ipv6_disguise(address):
    number = int(address)
    for prefix in ("::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) + number))
    assert not is_public(IPv6Address((0x2002 << 112) + (number << 80)))


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{0,20}(/.{0,10})?"))
def test_reading_a_url_ends_in_a_target_or_in_its_error(url):
    try:
        target = Guard().target(url)
    except ForbiddenAddressError:
        return
    assert target.secure
    assert url.startswith("https://")
