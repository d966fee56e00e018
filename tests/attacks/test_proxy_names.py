"""A forward proxy that looks names up itself, and hosts that are called without it: what is still checked."""

import socket
from dataclasses import replace
from ipaddress import ip_address

import pytest

from medspace.adapters.http.client import ClientLimits, HttpClient
from medspace.adapters.http.dialling import tls_context
from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.proxy import Direct, Proxy
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import ConfigError, read_config
from medspace.app.node.outgoing import proxy_of
from medspace.connector.errors import NotSentError
from tests.unit.adapters.http_servers import Authority, answer, serving
from tests.unit.adapters.test_http_dialling import PUBLIC, addresses, forwarding

URL = "https://hospital.example/"


async def unknown(_host, _port):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def client_of(authority, proxy, resolve, **more):
    way = replace(Proxy("127.0.0.1", proxy.port), **{"resolves": True} | more)
    tls, limits = tls_context(authority.file), ClientLimits(connect=20)
    return HttpClient(Guard(loopback=True), tls=tls, resolve=resolve, proxy=way, limits=limits)


async def test_a_name_that_only_the_proxy_knows_is_asked_for_and_its_certificate_is_the_hosts(authority):
    tls = authority.server_context("hospital.example")
    async with serving(answer(body=b'"here"'), tls=tls) as server, forwarding(to=server.port) as proxy:
        client = client_of(authority, proxy, unknown)
        assert (await client.request("GET", URL)).body == b'"here"'
        assert proxy.asked == ["CONNECT hospital.example:443"]
        await client.close()


async def test_without_the_setting_a_name_that_nobody_here_knows_is_not_called(authority):
    async with forwarding() as proxy:
        with pytest.raises(NotSentError):
            await client_of(authority, proxy, unknown, resolves=False).request("GET", URL)
        assert proxy.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://intranet/",
        "https://pacs.hospital.local/",
        "https://printer.lan/",
        "https://metadata.google.internal/",
        "https://router.home.arpa/",
        "https://10.0.0.5/",
        "https://169.254.169.254/",
        "https://[fd00::1]/",
        "https://127.0.0.1.nip.internal/",
    ],
)
async def test_what_says_by_itself_that_it_is_private_is_never_asked_for(authority, url):
    async with forwarding() as proxy:
        with pytest.raises(ForbiddenAddressError):
            await client_of(authority, proxy, unknown).request("GET", url)
        assert proxy.asked == []


@pytest.mark.parametrize("inside", ["10.0.0.5", "127.0.0.1", "169.254.169.254", "fd00::1"])
async def test_a_name_that_we_know_to_be_private_is_not_asked_for(authority, inside, attack_report):
    async with forwarding() as proxy:
        with pytest.raises(ForbiddenAddressError):
            await client_of(authority, proxy, addresses(PUBLIC, inside)).request("GET", URL)
        assert proxy.asked == []
    attack_report("proxy: private addresses asked for by a name", got=0, of=1, unit="addresses")


async def test_a_proxy_that_leads_a_name_into_the_network_finds_no_certificate_of_it(authority):
    async with serving(answer(), tls=authority.server_context("pacs.internal")) as server:
        async with forwarding(to=server.port) as proxy:
            with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
                await client_of(authority, proxy, unknown).request("GET", URL)
        assert server.requests == []


async def test_a_host_is_called_directly_by_its_name_or_its_network_and_is_guarded_all_the_same(authority):
    async with forwarding() as proxy:
        for direct in (("hospital.example",), (".example",), ("10.0.0.0/24",)):
            client = client_of(authority, proxy, addresses("10.0.0.5"), resolves=False, direct=Direct.of(direct))
            with pytest.raises(ForbiddenAddressError):
                await client.request("GET", URL)
        client = client_of(authority, proxy, addresses("10.0.0.5"), direct=Direct.of((".example",)))
        with pytest.raises(ForbiddenAddressError):
            await client.request("GET", URL)
        assert proxy.asked == []


async def test_a_host_of_the_list_goes_no_way_through_the_proxy(authority):
    tls = authority.server_context("hospital.example")
    async with serving(answer(), tls=tls) as server, forwarding(to=server.port) as proxy:
        guard = Guard.of(("192.0.2.0/24",))
        way = replace(Proxy("127.0.0.1", proxy.port), direct=Direct.of(("192.0.2.0/24",)))
        limits = ClientLimits(connect=0.3)
        resolve = addresses("192.0.2.1")
        client = HttpClient(guard, tls=tls_context(authority.file), resolve=resolve, proxy=way, limits=limits)
        with pytest.raises(NotSentError):
            await client.request("GET", URL)  # nobody has that address: it was not asked of the proxy
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("entries", "host", "found", "direct"),
    [
        (("pacs.hospital.cn",), "pacs.hospital.cn", "1.2.3.4", True),
        (("pacs.hospital.cn",), "x.pacs.hospital.cn", "1.2.3.4", False),
        ((".hospital.cn",), "pacs.hospital.cn", "1.2.3.4", True),
        ((".hospital.cn",), "hospital.cn", "1.2.3.4", False),
        ((".hospital.cn",), "evilhospital.cn", "1.2.3.4", False),
        (("1.2.3.0/24",), "pacs.hospital.cn", "1.2.3.4", True),
        (("1.2.4.0/24", "fd00::/64"), "pacs.hospital.cn", "1.2.3.4", False),
        ((), "pacs.hospital.cn", "1.2.3.4", False),
    ],
)
def test_who_is_called_directly(entries, host, found, direct):
    assert Direct.of(entries).has(host, [ip_address(found)]) is direct
    assert not Direct.of(("1.2.3.0/24",)).has(host, [])


NETWORK = 'allow = ["127.0.0.0/8"]'


@pytest.mark.parametrize(
    ("setting", "fits"),
    [
        ('proxy = "http://proxy.cn:3128"\nno_proxy = [".hospital.cn", "10.1.2.0/24"]\nproxy_resolves = true', True),
        ('proxy = "http://proxy.cn:3128"\nno_proxy = ["*.hospital.cn"]', False),
        ('proxy = "http://proxy.cn:3128"\nno_proxy = ["10.1.2.0/99"]', False),
        ('no_proxy = ["10.1.2.0/24"]', False),
        ("proxy_resolves = true", False),
    ],
)
def test_a_configuration_says_it_or_is_refused(tmp_path, setting, fits, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://evil.example:1")
    monkeypatch.setenv("NO_PROXY", "*")
    set_up(tmp_path / "h", Wishes("Hospital", 8100, "", "", "CN", None))
    file = tmp_path / "h" / "medspace.toml"
    file.write_text(file.read_text().replace(NETWORK, f"{NETWORK}\n{setting}"))
    if not fits:
        with pytest.raises(ConfigError):
            read_config(file)
        return
    proxy = proxy_of(read_config(file))
    assert (proxy.host, proxy.resolves, proxy.direct.names) == ("proxy.cn", True, (".hospital.cn",))
