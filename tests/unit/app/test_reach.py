"""Certificates, prefixes and how a connector looks from outside."""

import asyncio
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from medspace.adapters.certificates import CertificateFileError, read_file
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.dialling import tls_context
from medspace.adapters.http.guard import Guard
from medspace.adapters.system import SystemClock
from medspace.app.compose.doctor import examine
from medspace.app.doors.protocol.prefix import Prefixed, prefix_of
from medspace.app.features.reach import checks
from medspace.app.features.reach.sight import Sight, look
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.main import main
from medspace.app.node.config import read_config
from medspace.core.errors import MedspaceError
from tests.e2e.space import hospital, staged
from tests.ports import claim
from tests.unit.adapters.http_servers import Authority, answer, serving

NOW = datetime.now(UTC)
SEEN = b'{"path":"/reach/path"}'


# --- certificates in a file -----------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path):
    """A connector with a certificate file, `server.pem`, and an authority that it knows."""
    authority = Authority(tmp_path / "authority")
    folder = tmp_path / "hospital"
    set_up(folder, Wishes("Hospital", 8100, "", "", "CN", None))
    text = (folder / "medspace.toml").read_text()
    public = 'url = "https://hospital.example"\ncertificate = "server.pem"\ncertificate_key = "server.pem"\n'
    text = text.replace("[private]", f"{public}\n[private]")
    text = text.replace('allow = ["127.0.0.0/8"]', f'certificates = "{authority.file}"')
    (folder / "medspace.toml").write_text(text)
    return authority, folder / "medspace.toml"


def shown(config, *names, now=NOW, signer=None, more=b"", **how):
    """What is said of a certificate for these names."""
    authority, file = config
    (signer or authority).server_context(*names, **how)
    content = ((signer or authority).folder / "server.pem").read_bytes()
    (file.parent / "server.pem").write_bytes(content + more)
    (check,) = checks.certificate_checks(read_config(file), now)
    return check


def test_a_certificate_that_ends_soon_is_said_and_one_that_is_over_is_an_error(config):
    check = shown(config, "hospital.example")
    assert check.ok
    assert "is good for" in str(check.found)
    assert "Renew it now" in str(check.next_step)
    check = shown(config, "hospital.example", now=NOW - timedelta(days=1))
    assert check.ok
    for now, how, words in ((NOW, {"expired": True}, "has expired"), (NOW - timedelta(days=9), {}, "not valid yet")):
        check = shown(config, "hospital.example", now=now, **how)
        assert (check.ok, words in str(check.found)) == (False, True)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("hospital.example", True),
        ("HOSPITAL.example", True),
        ("other.example", False),
        ("*.example", False),
        ("*.hospital.example", False),
        ("10.1.2.3", False),
    ],
)
def test_a_certificate_must_be_for_the_name_that_others_call(config, name, fits):
    assert shown(config, name).ok is fits


def test_a_wildcard_stands_for_one_label(config):
    authority, file = config
    text = file.read_text().replace("https://hospital.example", "https://a.hospital.example")
    file.write_text(text)
    assert shown((authority, file), "*.hospital.example").ok


def test_missing_intermediates_are_noticed(config, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    check = shown(config, "hospital.example", signer=stranger)
    assert (check.ok, "fullchain.pem" in str(check.next_step)) == (False, True)
    own = stranger.certificate.public_bytes(serialization.Encoding.PEM)
    assert not shown(config, "hospital.example", signer=stranger, more=own).ok, "nobody here knows that authority"


def test_a_file_that_is_no_certificate_is_said(config):
    _, file = config
    (check,) = checks.certificate_checks(read_config(file), NOW)
    assert not check.ok
    (file.parent / "server.pem").write_text("nothing")
    with pytest.raises(CertificateFileError):
        read_file(file.parent / "server.pem")
    file.write_text(
        file.read_text().replace('certificate = "server.pem"\n', "").replace('certificate_key = "server.pem"\n', "")
    )
    assert list(checks.certificate_checks(read_config(file), NOW)) == []


# --- seen over the network ------------------------------------------------------------------------------------------


def client_of(authority):
    return HttpClient(Guard(loopback=True), tls=tls_context(authority.file))


async def seen(authority, host="localhost", **how):
    """What is seen of a server with a certificate for localhost."""
    signer = how.pop("signer", authority)
    names = how.pop("names", ("localhost",))
    async with serving(answer(body=SEEN), tls=signer.server_context(*names, **how)) as server:
        client = client_of(authority)
        try:
            return await look(client, SystemClock(), server.url(host=host).rpartition("/")[0])
        finally:
            await client.close()


async def test_a_good_certificate_is_told_with_its_end(tmp_path):
    sight = await seen(Authority(tmp_path))
    assert (sight.status, sight.path, sight.flaw) == (200, "/reach/path", "")
    assert sight.expires > NOW.isoformat()
    (check,) = checks.expiry_check("x", sight, "https://h", NOW)
    assert check.next_step is not None


async def test_what_is_wrong_with_a_certificate_is_told(tmp_path):
    authority, stranger = Authority(tmp_path / "one"), Authority(tmp_path / "two")
    for how, flaw in (
        ({"expired": True}, "expired"),
        ({"names": ("other.example",)}, "name"),
        ({"signer": stranger}, "issuer"),
    ):
        sight = await seen(authority, **how)
        assert (sight.reached, sight.flaw) == (False, flaw)
        assert not checks.flaw_check("x", sight.flaw, "https://h").ok


ODD = (b"", b"[]", b'{"path": 1}', b'{"path": "a\\u0000"}', b"[" * 1000, b'{"path":"' + b"x" * 600 + b'"}')


@pytest.mark.parametrize("body", ODD)
async def test_what_is_no_path_is_none(body):
    async with serving(answer(body=body)) as server:
        client = HttpClient(Guard(loopback=True))
        sight = await look(client, SystemClock(), server.url().rpartition("/")[0])
        assert (sight.status, sight.path) == (200, "")
        await client.close()


# --- prefixes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "keeps", "path", "ok", "words"),
    [
        ("https://h.example", False, "/reach/path", True, "as they should"),
        ("https://h.example/m", False, "/reach/path", True, "as they should"),
        ("https://h.example/m", True, "/m/reach/path", True, "leaves the prefix"),
        ("https://h.example/m", False, "/m/reach/path", False, "keeps_prefix = true"),
        ("https://h.example/m", True, "/reach/path", False, "Take keeps_prefix out"),
        ("https://h.example/m", False, "/x/reach/path", False, "not this connector"),
        ("https://h.example/m", False, "", False, "not this connector"),
    ],
)
def test_what_a_proxy_does_with_the_prefix_is_told(config, url, keeps, path, ok, words):
    read = read_config(config[1])
    public = msgspec.structs.replace(read.public, url=url, keeps_prefix=keeps)
    check = checks.prefix_check("x", Sight(200, path=path), msgspec.structs.replace(read, public=public))
    assert check.ok is ok
    assert words in f"{check.found} {check.next_step}"


def test_a_prefix_is_the_path_of_a_url():
    assert [prefix_of(url) for url in ("https://h", "https://h/", "https://h/a/b/")] == ["", "", "/a/b"]


async def test_an_application_is_asked_without_the_prefix_and_nothing_but_http_is_looked_at():
    paths = []

    async def app(scope, _receive, _send):
        paths.append(scope.get("path"))

    for prefix, path in (("/m", "/m/jobs/1"), ("/m", "/jobs/1"), ("/m", "/mm/jobs"), ("", "/m/jobs/1"), ("/m", "/m")):
        await Prefixed(app, prefix)({"type": "http", "method": "POST", "path": path}, None, None)
    await Prefixed(app, "/m")({"type": "lifespan"}, None, None)
    assert paths == ["/jobs/1", "/jobs/1", "/mm/jobs", "/m/jobs/1", "/m", None]


class PathProxy:
    """A reverse proxy before a connector, which takes a prefix off or leaves it: one request for each connection."""

    def __init__(self, port: int, to: int, *, strips: bool) -> None:
        self.port, self.to, self.strips = port, to, strips

    async def open(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)

    async def close(self):
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            if self.strips:
                line = line.replace(b" /m/", b" /", 1)
            there, onwards = await asyncio.open_connection("127.0.0.1", self.to)
            onwards.write(line + b"\r\nConnection: close\r\n" + rest)
            await asyncio.gather(pump(reader, onwards), pump(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def behind(stage, key, *, strips, keeps):
    """A member behind a proxy, at an address with a prefix."""
    (port,) = claim(1)
    url = f'url = "http://127.0.0.1:{port}/m"\n' + ("keeps_prefix = true\n" if keeps else "")
    node = stage.add(key, hospital(3), public=url)
    proxy = PathProxy(port, node.config.public.port, strips=strips)
    stage.run(proxy.open())
    stage.open(key)
    try:
        yield node
    finally:
        stage.close(key)
        stage.run(proxy.close())


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("reach")) as stage:
        stage.add("authority")
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.mark.parametrize(("key", "strips", "keeps"), [("stripping", True, False), ("keeping", False, True)])
def test_a_connector_works_behind_a_proxy_that_strips_or_keeps_the_prefix(stage, key, strips, keeps):
    with behind(stage, key, strips=strips, keeps=keeps) as node:
        assert node.did.endswith(":m")
        stage.admit(key)
        stage.space("user").refresh()
        assert stage.agree("user", key)
        (check,) = [one for one in examine(node.file, "en")["checks"] if one["name"] == checks.ADDRESS]
        assert check["ok"], check
        assert all(one["ok"] for one in stage.space(key).seen_from(stage.nodes["authority"].did))


def test_a_proxy_that_keeps_the_prefix_unasked_is_found_out(stage):
    with behind(stage, "wrong", strips=False, keeps=False) as node:
        found = {one["name"]: one for one in examine(node.file, "en")["checks"]}
        assert not found[checks.ADDRESS]["ok"]
        assert "keeps_prefix = true" in found[checks.ADDRESS]["next_step"]


# --- a member looks -------------------------------------------------------------------------------------------------


def test_another_member_calls_back_and_says_what_it_saw(stage, capsys):
    user, authority = stage.nodes["user"], stage.nodes["authority"]
    with pytest.raises(SystemExit):
        main(["doctor", "--config", str(user.file), "--from", authority.did, "--json"])
    found = [one for one in json.loads(capsys.readouterr().out)["checks"] if one["name"] == "from outside"]
    assert [one["ok"] for one in found] == [True, True]
    assert f"{authority.did} reaches {user.url}" in found[0]["sentence"]
    (again,) = stage.space("user").seen_from(authority.did)
    assert "reach.busy" in again["sentence"]
    with pytest.raises(MedspaceError) as refused:
        stage.space("user").seen_from("did:web:stranger.example")
    assert refused.value.code == "auth.not_member" or "member" in refused.value.code


def test_a_member_that_is_away_or_knows_no_such_route_is_said(stage):
    node = stage.add("away")
    stage.open("away")
    stage.admit("away")
    stage.space("user").refresh()
    stage.close("away")
    (check,) = stage.space("user").seen_from(node.did)
    assert not check["ok"]


def test_the_authority_that_is_not_reached_is_said(config):
    read = read_config(config[1])
    space = msgspec.structs.replace(read.space, authority="did:web:127.0.0.1%3A1")
    participant = msgspec.structs.replace(read.participant, did="did:web:hospital.example")
    network = msgspec.structs.replace(read.network, certificates="", allow=())
    public = msgspec.structs.replace(read.public, url="http://127.0.0.1:1", certificate="", certificate_key="")
    changed = msgspec.structs.replace(read, space=space, participant=participant, network=network, public=public)
    own, authority = checks.outside_checks(changed, SystemClock())
    assert (own.ok, own.name, authority.ok, authority.name) == (True, checks.ADDRESS, False, checks.AUTHORITY)
    assert "--from DID" in str(own.next_step)
    one_machine = msgspec.structs.replace(changed, public=msgspec.structs.replace(public, url=""))
    assert checks.outside_checks(one_machine, SystemClock()) == []


def test_a_clock_that_differs_is_said():
    (check,) = checks.clock_check("x", Sight(200, ahead=500.0), "did:web:x")
    assert not check.ok
    assert list(checks.clock_check("x", replace_ahead(1.0), "did:web:x")) == []
    assert list(checks.expiry_check("x", Sight(200, expires="never"), "https://h", NOW)) == []


def replace_ahead(seconds):
    return Sight(200, ahead=seconds)
