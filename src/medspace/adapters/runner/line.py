"""The line between a connector and the process of one step: a Unix socket in the folder of the step.

Over it the process asks for what only its connector can do, which has the keys: to seal, to open, to pair, to sign.
It also tells how far it is. Each is a line of JSON and answered by one. It is a named socket in the folder, not
a pipe, so that a restarted connector can answer the process that its predecessor left behind.
"""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import msgspec

import medspace.trust.errors  # noqa: F401 - what sealing and opening raise is known at both ends
from medspace.adapters.runner.papers import error_read, error_said
from medspace.connector.usage.ports import Work
from medspace.core.engine import Peers, RunTerms
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.limits import LINE
from medspace.core.text import msgid

T = TypeVar("T")
Beside = Callable[[str, Callable[[], T]], Awaitable[T]]

SOCKET = "line"
LONGEST_NAME = 100  # bytes of a socket's path, which systems bound at 104 or 108
TURNS = 8  # of the loop: more than it takes from accepting a connection to serving and closing it
MOST_ASKED = 4096  # messages that are sealed, opened or paired for one step
PATIENCE = 30.0  # seconds for one answer, before it is requested again
PAUSE = 0.05  # seconds between two attempts to reach an absent connector
OFTEN = 0.2  # seconds between two progress reports of a process


class PeersAbsentError(InvalidInputError):
    """An engine in a process wanted to seal or to open a message, and its connector did not do it."""

    code = "step.peers"
    sentence = msgid("The process of the step was not given the messages of its run.")
    next_step = msgid("Start the run again. If it happens again, tell the holder of the data.")


@dataclass(frozen=True, slots=True)
class LineRequest:
    """One line of the process. `message` is what to seal or sign, or the seed of a pair; `messages` go by peer."""

    do: Literal["seal", "seal_all", "announce", "announced", "open", "pair", "sign", "proven", "progress"]
    peer: str = ""
    label: str = ""
    message: bytes = field(default=b"", repr=False)
    messages: dict[str, bytes] = field(default_factory=dict, repr=False)
    sealed: str = ""
    done: float = 0.0
    of: float = 0.0


@dataclass(frozen=True, slots=True)
class LineReply:
    """One line of the connector: what was sealed or signed; or what was opened, or the secret; or why neither."""

    sealed: str = ""
    all_sealed: dict[str, str] = field(default_factory=dict)
    opened: bytes = field(default=b"", repr=False)
    error: Mapping[str, Any] | None = None


# --- the connector's end -------------------------------------------------------------------------------------------


class _Answering:
    """Answers the process of one step: one connection at a time, one line after the other."""

    def __init__(self, work: Work, beside: Beside[LineReply]) -> None:
        self._work, self._beside = work, beside
        self._asked = 0
        self._serving: asyncio.Task[None] | None = None
        self._over = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; a second or late one is closed."""
        if self._over or self._serving is not None:
            writer.close()
            return
        self._serving = asyncio.current_task()
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._reply_to(line)) + b"\n")
                await writer.drain()
        except (ValueError, OSError):
            pass  # a line that is too long, or the process has gone
        finally:
            self._serving = None
            writer.close()

    async def stop(self) -> None:
        """End the connection, if there is one, also one that was accepted and that nobody serves yet."""
        self._over = True
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _reply_to(self, line: bytes) -> LineReply:
        try:
            asked = msgspec.json.decode(line, type=LineRequest)
        except msgspec.DecodeError:
            return _absent()
        if asked.do == "progress":
            self._work.progress(asked.done, asked.of)
            return LineReply()
        self._asked += 1
        keys = self._work.keys
        if keys is None or self._asked > MOST_ASKED:
            return _absent()
        try:
            return await self._beside(self._work.admission.use, lambda: _DEEDS[asked.do](keys, asked))
        except MedspaceError as error:
            return LineReply(error=error_said(error))


def _absent() -> LineReply:
    return LineReply(error=error_said(PeersAbsentError()))


_DEEDS: Mapping[str, Callable[[Peers, LineRequest], LineReply]] = {
    "seal": lambda keys, asked: LineReply(sealed=keys.seal(asked.peer, asked.label, asked.message)),
    "open": lambda keys, asked: LineReply(opened=keys.open(asked.peer, asked.label, asked.sealed)),
    "seal_all": lambda keys, asked: LineReply(all_sealed=keys.seal_all(asked.messages, asked.label)),
    "announce": lambda keys, asked: LineReply(*keys.announce(asked.label, asked.message, asked.messages)),
    "announced": lambda keys, asked: LineReply(opened=keys.announced(asked.peer, asked.label, asked.sealed)),
    "sign": lambda keys, asked: LineReply(sealed=keys.sign(asked.label, asked.message)),
    "proven": lambda keys, asked: LineReply(opened=keys.proven(asked.peer, asked.label, asked.sealed)),
    "pair": lambda keys, asked: LineReply(opened=keys.pair(asked.peer, asked.label, asked.message, asked.sealed)),
}


@asynccontextmanager
async def answered(folder: Path, work: Work, beside: Beside[Any]) -> AsyncIterator[None]:
    """Answer the process of the step in this folder, for as long as somebody waits for it.

    Raises:
        OSError: no socket can be made there.
    """
    answering = _Answering(work, beside)
    listening = await beside(work.admission.use, lambda: _listening(folder))
    server = await asyncio.start_unix_server(answering.serve, sock=listening, limit=LINE)
    try:
        yield
    finally:
        # A server that closes while accepting loses the connection: stop accepting first, then end what was accepted.
        asyncio.get_running_loop().remove_reader(listening)
        await answering.stop()
        server.close()


def _listening(folder: Path) -> socket.socket:
    """A socket under its name in the folder, in place of what a connector before may have left there."""
    (folder / SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if len(bytes(folder / SOCKET)) <= LONGEST_NAME:
            listening.bind(str(folder / SOCKET))
            return listening
        with TemporaryDirectory(prefix="medspace-") as near:  # a shorter way there
            way = Path(near) / "step"
            way.symlink_to(folder.resolve())
            listening.bind(str(way / SOCKET))
            return listening
    except OSError:
        listening.close()
        raise


# --- the process's end ---------------------------------------------------------------------------------------------


class LineClient:
    """The process's end, used from its folder; connects when needed, and again after the connector was away."""

    def __init__(self, folder: Path, ended: Callable[[], bool]) -> None:
        name = folder / SOCKET
        self._name = str(name) if len(bytes(name)) <= LONGEST_NAME else SOCKET
        self._ended, self._one = ended, threading.Lock()
        self._socket: socket.socket | None = None
        self._rest = b""
        self._next = 0.0  # when it may tell again

    def ask(self, asked: LineRequest) -> LineReply:
        """What the connector answers; while it is away, it is waited for.

        Raises:
            MedspaceError: what the connector's end raised.
            PeersAbsentError: it is too much at once, or the step was ended meanwhile.
        """
        line = msgspec.json.encode(asked) + b"\n"
        while len(line) < LINE and not self._ended():
            with suppress(OSError), self._one:
                told = self._exchanged(line)
                if told.error is not None:
                    raise error_read(told.error)
                return told
            time.sleep(PAUSE)
        raise PeersAbsentError

    def tell(self, done: float, of: float) -> None:
        """Report the progress of the step; rate-limited, and dropped if nobody listens."""
        now = time.monotonic()
        if now < self._next and done != of:
            return
        self._next = now + OFTEN
        with suppress(OSError), self._one:
            self._exchanged(msgspec.json.encode(LineRequest("progress", done=done, of=of)) + b"\n")

    def _exchanged(self, line: bytes) -> LineReply:
        try:
            if self._socket is None:
                self._socket, self._rest = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), b""
                self._socket.settimeout(PATIENCE)
                self._socket.connect(self._name)
            self._socket.sendall(line)
            return msgspec.json.decode(self._line(self._socket), type=LineReply)
        except (OSError, msgspec.DecodeError) as error:
            self.close()
            raise ConnectionError from error

    def _line(self, connected: socket.socket) -> bytes:
        found = bytearray(self._rest)
        while (end := found.find(b"\n")) < 0:
            piece = connected.recv(1 << 16)
            if not piece or len(found) > LINE:
                raise ConnectionError
            found += piece
        self._rest = bytes(found[end + 1 :])
        return bytes(found[:end])

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True, slots=True)
class LinePeers:
    """The keys of a run's parties as an engine in a process has them (`core.engine.Peers`): over the line."""

    seats: tuple[str, ...]
    holder: str
    terms: RunTerms
    line: LineClient

    def seal(self, peer: str, label: str, message: bytes) -> str:
        """A message for one peer.

        Raises:
            EnvelopeError: it is too large, or the peer has no seat.
            PeersAbsentError: the connector does not do it.
        """
        return self.line.ask(LineRequest("seal", peer, label, message)).sealed

    def open(self, peer: str, label: str, sealed: str) -> bytes:
        """A message of one peer.

        Raises:
            EnvelopeError: the peer did not seal it for this seat, this run and this label.
            PeersAbsentError: the connector does not do it.
        """
        return self.line.ask(LineRequest("open", peer, label, sealed=sealed)).opened

    def pair(self, peer: str, label: str, seed: bytes, sealed: str) -> bytes:
        """The secret with one peer.

        Raises:
            EnvelopeError: the peer has no seat.
            PeersAbsentError: the connector does not do it.
        """
        return self.line.ask(LineRequest("pair", peer, label, seed, sealed=sealed)).opened

    def seal_all(self, messages: Mapping[str, bytes], label: str) -> dict[str, str]:
        """Messages for several peers under one label and one signature.

        Raises:
            EnvelopeError: one is too large, or a peer has no seat.
            PeersAbsentError: the connector does not do it, or they are too much at once.
        """
        return self.line.ask(LineRequest("seal_all", label=label, messages=dict(messages))).all_sealed

    def announce(self, label: str, content: bytes, messages: Mapping[str, bytes]) -> tuple[str, dict[str, str]]:
        """A message for everybody, and messages for several peers: all under one signature.

        Raises:
            EnvelopeError: one is too large, or a peer has no seat.
            PeersAbsentError: the connector does not do it, or they are too much at once.
        """
        told = self.line.ask(LineRequest("announce", label=label, message=content, messages=dict(messages)))
        return told.sealed, told.all_sealed

    def announced(self, peer: str, label: str, text: str) -> bytes:
        """What a seat said for everybody, with what it sealed.

        Raises:
            EnvelopeError: it did not sign it for this run under this label.
            PeersAbsentError: the connector does not do it.
        """
        return self.line.ask(LineRequest("announced", peer, label, sealed=text)).opened

    def sign(self, label: str, content: bytes) -> str:
        """A message for everybody, signed and not sealed.

        Raises:
            EnvelopeError: it is too large.
            PeersAbsentError: the connector does not do it.
        """
        return self.line.ask(LineRequest("sign", label=label, message=content)).sealed

    def proven(self, peer: str, label: str, text: str) -> bytes:
        """What a seat signed for everybody.

        Raises:
            EnvelopeError: it did not sign it for this run under this label.
            PeersAbsentError: the connector does not do it.
        """
        return self.line.ask(LineRequest("proven", peer, label, sealed=text)).opened
