"""A counterparty gives an address that would make the connector call something inside. It does not."""

import pytest

from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.adapters.http.guard import Guard, check_callback
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
