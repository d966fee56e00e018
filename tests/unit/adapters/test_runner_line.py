"""Both ends of the line between a connector and the process of a step, in one process."""

import asyncio
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from medspace.adapters.runner.line import SOCKET, LineClient, LinePeers, PeersAbsentError, answered
from medspace.core.engine import RunTerms
from medspace.core.limits import LINE
from medspace.trust.errors import EnvelopeError

SEATS = ("did:web:a.example", "did:web:b.example")
TERMS = RunTerms("sha256:" + "0" * 64, "did:web:user.example", 2)


@dataclass
class Keys:
    """Keys that tell what they were asked."""

    seats: tuple = SEATS

    def seal(self, peer, label, message):
        if peer not in SEATS:
            raise EnvelopeError(sender=peer)
        return f"{peer} {label} {message.hex()}"

    def open(self, peer, label, sealed):
        return f"{peer} {label} {sealed}".encode()

    def pair(self, peer, label, seed, sealed):
        return seed + sealed.encode()


@dataclass
class Step:
    """A step as far as the line knows it."""

    keys: Keys | None = field(default_factory=Keys)
    heard: list = field(default_factory=list)
    admission = SimpleNamespace(use="urn:job:1")

    def progress(self, done, of):
        self.heard.append((done, of))


async def beside(_use, work):
    return await asyncio.to_thread(work)


def peers_of(folder, ended=lambda: False):
    return LinePeers(SEATS, SEATS[0], TERMS, LineClient(folder, ended))


async def test_what_the_process_asks_its_connector_does(tmp_path):
    peers = peers_of(tmp_path)
    async with answered(tmp_path, Step(), beside):
        assert await asyncio.to_thread(peers.seal, SEATS[1], "x", b"\x00\xff") == f"{SEATS[1]} x 00ff"
        assert await asyncio.to_thread(peers.open, SEATS[1], "x", "sealed") == f"{SEATS[1]} x sealed".encode()
        assert await asyncio.to_thread(peers.pair, SEATS[1], "x", b"s", "e") == b"se"
        with pytest.raises(EnvelopeError):
            await asyncio.to_thread(peers.seal, "did:web:x.example", "x", b"")
    peers.line.close()


async def test_a_connector_that_was_away_answers_later_and_the_line_is_made_anew(tmp_path):
    peers = peers_of(tmp_path)
    waiting = asyncio.create_task(asyncio.to_thread(peers.seal, SEATS[1], "x", b"1"))
    async with answered(tmp_path, Step(), beside):
        assert await waiting == f"{SEATS[1]} x 31"
    waiting = asyncio.create_task(asyncio.to_thread(peers.seal, SEATS[1], "x", b"2"))
    async with answered(tmp_path, Step(), beside):
        assert await waiting == f"{SEATS[1]} x 32"
    peers.line.close()


async def test_it_tells_how_far_it_is_but_not_more_often_than_is_of_use(tmp_path):
    step, line = Step(), LineClient(tmp_path, lambda: False)
    line.tell(0, 1000)  # nobody is there
    line._next = 0.0
    async with answered(tmp_path, step, beside):
        for done in (*range(100), 1000):
            await asyncio.to_thread(line.tell, done, 1000)
        line._next = 0.0
        await asyncio.to_thread(line.tell, float("nan"), 1)
    assert step.heard[0] == (0.0, 1000.0)
    assert step.heard[-1] == (1000.0, 1000.0)
    assert len(step.heard) < 50
    line.close()


async def test_without_keys_after_the_end_and_of_too_much_nothing_is_had(tmp_path):
    async with answered(tmp_path, Step(None), beside):
        peers = peers_of(tmp_path)
        with pytest.raises(PeersAbsentError):
            await asyncio.to_thread(peers.seal, SEATS[1], "x", b"1")
        with pytest.raises(PeersAbsentError):
            await asyncio.to_thread(peers.seal, SEATS[1], "x", bytes(LINE))
        peers.line.close()
    ended = threading.Event()
    waiting = asyncio.create_task(asyncio.to_thread(peers_of(tmp_path, ended.is_set).seal, SEATS[1], "x", b"1"))
    ended.set()
    with pytest.raises(PeersAbsentError):
        await waiting


async def test_one_connection_is_answered_at_a_time_and_what_is_no_question_is_refused(tmp_path):
    def said(connected, *pieces):
        with connected:
            for piece in pieces:
                connected.sendall(piece)
            return connected.recv(1 << 16)

    def connected():
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(30)
        made.connect(str(tmp_path / SOCKET))
        return made

    async with answered(tmp_path, Step(), beside):
        first = connected()
        first.sendall(b"[]\n")
        assert b"PeersAbsentError" in await asyncio.to_thread(first.recv, 1 << 16)
        assert await asyncio.to_thread(said, connected()) == b""  # a second one beside it
        first.close()
        peers = peers_of(tmp_path)
        assert await asyncio.to_thread(peers.seal, SEATS[1], "x", b"1")  # once the first is gone
        peers.line.close()


async def test_no_socket_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match=r".+"):
        async with answered(tmp_path / "gone", Step(), beside):
            pass


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_comes_as_the_step_ends_is_closed(tmp_path, turns):
    """Nobody may serve it yet: what was accepted and then forgotten would stay open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as late:
        async with answered(tmp_path, Step(), beside):
            late.connect(str(tmp_path / SOCKET))
            for _ in range(turns):
                await asyncio.sleep(0)
        late.settimeout(5)
        with suppress(ConnectionResetError):
            assert late.recv(1) == b""
