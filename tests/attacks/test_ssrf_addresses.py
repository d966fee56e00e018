"""A counterparty gives an address that would make the connector call something inside. It does not."""

from ipaddress import ip_address, ip_network

import pytest

from medspace.adapters.http import guard as guarding
from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.adapters.http.guard import Guard, check_callback, is_public
from medspace.connector.errors import CallbackError

SPELLINGS_OF_LOOPBACK = [
    "https://127.0.0.1/",
    "https://127.0.0.2:8443/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.000.000.001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://127.0.0.1./",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
]
INSIDE = [
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[fd00:ec2::254]/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://224.0.1.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[ff0e::1]/",
    "https://[2001:db8::1]/",
    "https://[2001::1]/",
    "https://[100::1]/",
]
DISGUISED = [
    "http://hospital.example/",
    "http://93.184.216.34/",
    "ftp://hospital.example/",
    "file:///etc/passwd",
    "gopher://hospital.example/",
    "//hospital.example/",
    "hospital.example",
    "",
    "https://",
    "https:///x",
    "https://user@hospital.example/",
    "https://user:password@hospital.example/",
    "https://hospital.example@10.0.0.1/",
    "https://10.0.0.1#@hospital.example/",
    "https://hospital.example/#fragment",
    "https://hospital.example#",
    "https://hospital.example\\@10.0.0.1/",
    "https:\\\\hospital.example/",
    "https://hospital.example:22/",
    "https://hospital.example:0/",
    "https://hospital.example:/",
    "https://hospital.example:+443/",
    "https://hospital.example:4 43/",
    "https://hospital.example:99999/",
    "https://hospital.example:443:443/",
    "https://[::1/",
    "https://::1/",
    "https://[hospital.example]/",
    "https://hospital_example/",
    "https://-hospital.example/",
    "https://hospital..example/",
    "https://.example/",
    "https://hospital.example\t/",
    " https://hospital.example/",
    "https://hospital.example/ ",
    "https://hospital.example/\r\nHost: other",
    "https://hospital.example/\n",
    "https://hospital.example/ä",
    "https://hospitäl.example/",
    "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 130 + "example/",
    "https://hospital.example/" + "a" * 2100,
]


@pytest.mark.parametrize("url", SPELLINGS_OF_LOOPBACK + INSIDE + DISGUISED)
def test_a_callback_to_it_is_refused(url):
    with pytest.raises(CallbackError):
        check_callback(url, Guard())


ONLY_IN_DEVELOPMENT = {
    "https://127.0.0.1/",
    "https://127.0.0.2:8443/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
}


@pytest.mark.parametrize("url", SPELLINGS_OF_LOOPBACK + INSIDE + DISGUISED)
def test_in_development_this_machine_may_be_called_by_its_usual_names_only(url):
    development = Guard(loopback=True)
    if url in ONLY_IN_DEVELOPMENT:
        check_callback(url, development)
    else:
        with pytest.raises(CallbackError):
            check_callback(url, development)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "fe80::1%eth0",
        "0.0.0.0",
    ],
)
@pytest.mark.parametrize("loopback", [False, True])
def test_a_public_name_with_such_an_address_is_refused(address, loopback):
    guard = Guard(loopback=loopback)
    with pytest.raises(ForbiddenAddressError):
        guard.check_addresses("https://hospital.example", "hospital.example", ["93.184.216.34", address])


def test_localhost_is_this_machine_whatever_a_resolver_says():
    with pytest.raises(ForbiddenAddressError):
        Guard(loopback=True).check_addresses("http://localhost", "localhost", ["93.184.216.34"])


# IANA's special-purpose address registries (IPv4 and IPv6), and what is not delegated at all.
SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 168.63.129.16/32
::/128 ::1/128 ::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23
2001::/32 2001:2::/48 2001:10::/28 2001:20::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20
4000::/3 5f00::/16 8000::/1 fc00::/7 fe80::/10 fec0::/10 ff00::/8 1::/16 1000::/4
""".split()  # noqa: SIM905 - a list that is read as the registry is


def ends(network):
    network = ip_network(network)
    return [network[0], network[1 if network.num_addresses > 1 else 0], network[-1]]


@pytest.mark.parametrize("network", SPECIAL)
def test_no_special_network_is_public(network):
    assert [str(address) for address in ends(network) if is_public(address)] == []
    for address in ends(network):
        host = f"[{address}]" if ":" in str(address) else str(address)
        with pytest.raises(CallbackError):
            check_callback(f"https://{host}/", Guard())
        with pytest.raises(ForbiddenAddressError):
            Guard().check_addresses("https://hospital.example", "hospital.example", [str(address)])


def test_without_the_lists_special_networks_are_called(monkeypatch, attack_report):
    def called():
        return sum(is_public(address) for network in SPECIAL for address in ends(network))

    got = called()
    monkeypatch.setattr(guarding, "CLOSED_NETWORKS", ())
    monkeypatch.setattr(guarding, "GLOBAL_UNICAST", ip_network("::/0"))
    addresses = sum(len(ends(network)) for network in SPECIAL)
    attack = "addresses: ends of special networks that are taken for public"
    attack_report(attack, got=got, control=called(), of=addresses, unit="addresses")
    assert got == 0
    # A newer Python may know some of them by itself; one of each family is not special to any.
    assert is_public(ip_address("192.88.99.1"))
    assert is_public(ip_address("3ffe::1"))


@pytest.mark.parametrize(
    "network", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "169.254.0.0/16", "126.0.0.0/7", "fe80::/10"]
)
def test_however_wide_a_setting_is_it_opens_neither_this_machine_nor_the_metadata_of_a_cloud(network):
    guard = Guard.of([network])
    inside = ["127.0.0.1", "169.254.169.254", "168.63.129.16", "0.0.0.0", "224.0.0.1", "255.255.255.255"]
    for address in (*inside, "::1", "::ffff:127.0.0.1", "fd00:ec2::254", "fe80::1", "64:ff9b::a9fe:a9fe"):
        with pytest.raises(ForbiddenAddressError):
            guard.check_addresses("https://hospital.example", "hospital.example", [address])


def test_without_the_list_of_what_is_never_opened_a_wide_setting_opens_the_metadata_service(monkeypatch):
    monkeypatch.setattr(guarding, "NEVER_OPENED", ())
    Guard.of(["0.0.0.0/0"]).check_addresses("https://hospital.example", "hospital.example", ["169.254.169.254"])
