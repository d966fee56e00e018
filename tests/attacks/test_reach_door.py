"""`POST /reach`: a member is called back, and nobody else; nothing is scanned, amplified or held open by it."""

import asyncio

import httpx
import msgspec
import pytest

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.system import SystemClock
from medspace.app.features.reach import door, sight
from medspace.app.features.reach.door import AT_ONCE, ReachBusyError, ReachDoor
from tests.e2e.space import staged
from tests.unit.adapters.http_servers import answer, serving


class Moved:
    """A clock that a test moves."""

    def __init__(self):
        self.real, self.by = SystemClock(), 0.0

    def now(self):
        return type(self.real.now()).fromtimestamp(self.real.now().timestamp() + self.by, self.real.now().tzinfo)


async def nobody(_):
    raise AssertionError


def door_of(guard=None, resolve=None, clock=None):
    more = {"resolve": resolve} if resolve else {}
    return ReachDoor(HttpClient(guard or Guard(loopback=True), **more), clock or Moved(), nobody)


def did_of(server):
    return f"did:web:127.0.0.1%3A{server.port}"


async def test_a_name_that_leads_to_private_addresses_is_not_called_and_nothing_of_them_is_told(attack_report):
    asked = []

    async def inside(host, port):
        asked.append((host, port))
        return ("10.0.0.5",)

    seen = await door_of(Guard(), inside).called("did:web:member.example")
    assert seen == sight.Sight(code="peer.forbidden"), "no address, no time, no reason"
    assert asked == [("member.example", 443)]
    attack_report("reach: private addresses called for a member", got=0, of=1, unit="addresses")


async def test_an_open_port_and_a_closed_one_with_nothing_of_ours_are_told_alike():
    async def silent(_reader, writer):
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    async with serving(silent) as server:
        opened = await door_of().called(did_of(server))
    closed = await door_of().called("did:web:127.0.0.1%3A1025")
    for seen in (opened, closed):
        assert (seen.status, seen.milliseconds, seen.expires, seen.path) == (0, 0, "", "")


async def test_a_redirect_is_not_followed():
    async with serving(answer()) as elsewhere:
        away = answer(302, b"", Location=elsewhere.url())
        async with serving(away) as server:
            seen = await door_of().called(did_of(server))
        assert (seen.status, seen.path) == (302, "")
        assert elsewhere.requests == []


async def test_little_is_asked_and_little_is_told_of_what_comes_back(attack_report):
    async with serving(answer(body=b'{"path":"' + b"x" * 1000 + b'"}')) as server:
        seen = await door_of().called(did_of(server))
        assert len(server.requests) == 1
    assert len(msgspec.json.encode(seen)) < 300
    async with serving(answer(body=b"x" * 1_000_000)) as server:
        assert not (await door_of().called(did_of(server))).reached
    attack_report("reach: bytes told of a megabyte", got=len(msgspec.json.encode(seen)), of=1_000_000, unit="bytes")


async def test_who_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(sight, "PATIENCE", 0.2)

    async def silent(_reader, _writer):
        await asyncio.Event().wait()

    async with serving(silent) as server:
        async with asyncio.timeout(20):
            seen = await door_of().called(did_of(server))
    assert seen == sight.Sight(code="peer.unreachable")


async def test_a_look_that_drags_on_is_ended(monkeypatch):
    monkeypatch.setattr(door, "LONGEST", 0.1)

    async def endless(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(door, "look", endless)
    assert await door_of().called("did:web:member.example") == sight.Sight(code="peer.unreachable")


async def test_a_member_is_called_once_in_ten_seconds_and_only_some_are_called_at_once(monkeypatch):
    clock, called = Moved(), []
    going = asyncio.Event()

    async def looked(_client, _clock, base):
        called.append(base)
        await going.wait()
        return sight.Sight(200)

    monkeypatch.setattr(door, "look", looked)
    one = door_of(clock=clock)
    calls = [asyncio.ensure_future(one.called(f"did:web:m{number}.example")) for number in range(AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(ReachBusyError):
        await one.called("did:web:late.example")
    going.set()
    await asyncio.gather(*calls)
    with pytest.raises(ReachBusyError):
        await one.called("did:web:m0.example")
    clock.by = 11.0
    await one.called("did:web:m0.example")
    assert len(called) == AT_ONCE + 1
    monkeypatch.setattr(door, "MOST_KEPT", 2)
    for number in range(5):
        await one.called(f"did:web:n{number}.example")
    assert len(one._last) <= 3


def test_strangers_and_those_who_say_whom_to_call_get_nothing(tmp_path):
    with staged(tmp_path) as stage:
        authority = stage.add("authority")
        user = stage.add("user")
        stage.open()
        stage.admit()
        stranger = stage.add("stranger")
        url = f"{authority.url}/reach"
        assert httpx.post(url).status_code == 401
        assert httpx.post(url, headers=stranger.bearer(authority)).status_code == 401
        headers = user.bearer(authority)
        assert httpx.post(url, headers=headers, json={"url": "http://127.0.0.1:22/"}).status_code == 413
        answer = httpx.post(f"{url}?url=http://127.0.0.1:22/", headers=user.bearer(authority))
        assert (answer.status_code, answer.json()["path"]) == (200, "/reach/path")
        assert httpx.post(url, headers=user.bearer(authority)).status_code == 429
        assert httpx.post(url, headers=headers).status_code == 401, "a token is good once"
        assert httpx.get(f"{authority.url}/any/reach/path").json() == {"path": "/any/reach/path"}
        assert httpx.get(f"{authority.url}/{'x' * 600}/reach/path").status_code == 404
