"""Things that change, behind a real listener that streams how they stand."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import Request

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.app.doors.management.actors import needs
from medspace.app.doors.management.app import management_app
from medspace.app.doors.management.events import Watched, events_router
from medspace.app.doors.management.guarded import Guarded
from medspace.app.doors.management.routing import Polling, router, waiting
from medspace.app.node.changes import Changes
from medspace.app.node.feeds import Feeds
from medspace.app.node.listening.limits import PRIVATE
from medspace.app.node.listening.listener import Listener, bind
from medspace.core.actors import Actor, ActorKind, Scope
from medspace.core.store import Collection
from medspace.runs.errors import RunUnknownError

SOON = 30  # seconds after which a test has failed


@dataclass(frozen=True, slots=True)
class Thing:
    id: str
    state: str = "running"
    percent: int = 0
    filling: str = ""


OWNER = Actor("actor:" + "0" * 32, ActorKind.OWNER, frozenset(Scope))
THINGS = Collection("things", Thing)


async def everybody(token, host):
    """Let in whoever comes, as the owner."""
    return OWNER


class Street:
    """A database of things, its changes and feeds; how often they were looked at."""

    def __init__(self, most=128):
        self.database, self.changes, self.clock = MemoryDatabase(), Changes(), ManualClock()
        self.database.on_commit(self.changes.tell)
        self.feeds = Feeds(self.changes, self.clock, most=most)
        self.looks = asyncio.Queue()
        self.authenticate = everybody

    async def put(self, name="run", **values):
        """Write a thing as it is from now on."""

        def work(tx):
            old = tx.get(THINGS, name)
            new = replace(old or Thing(name), **values)
            tx.insert(THINGS, new) if old is None else tx.replace(THINGS, old, new)

        await self.database.write(work)

    async def slept(self):
        """Return once the feed waits for its beat."""
        async with asyncio.timeout(SOON):
            while not self.clock.sleepers:  # noqa: ASYNC110 - what holds is inside the server, which has no event for it
                await asyncio.sleep(0)

    async def show(self, name, language):
        self.looks.put_nowait((name, language))
        thing = await self.database.read(lambda tx: tx.get(THINGS, name))
        if thing is None:
            raise RunUnknownError(run=name)
        shown = {"id": name, "state": thing.state, "percent": thing.percent, "filling": thing.filling}
        return shown | {"version": f"{thing.state}-{thing.percent}", "language": language}

    def app(self):
        things = router("things")

        @things.get("/things/{name}", **needs(Scope.READ))
        async def one(request: Request, name: str, poll: Polling):
            return await waiting(request, self, THINGS.topic(name), poll, lambda: self.show(name, "en"))

        app = management_app([things, events_router(self.feeds, {"things": Watched(THINGS, self.show)})])
        return Guarded(app, self.authenticate)

    @asynccontextmanager
    async def open(self, port=0, **bounds):
        """The listener and its port; at the end it stops as a connector does."""
        server = Listener(self.app(), bounds=replace(PRIVATE, looks=0.05, **bounds))
        with bind("127.0.0.1", port) as bound:
            task = asyncio.create_task(server.serve(sockets=[bound]))
            await server.ready.wait()
            try:
                yield server, bound.getsockname()[1]
            finally:
                server.should_exit = True
                self.feeds.close()
                await asyncio.wait_for(task, SOON)


@asynccontextmanager
async def asked(port, path="/events/things/run", *fields):
    """A stream of bytes of one question, and what writes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = [f"GET {path} HTTP/1.1", "Host: here", *fields]
        writer.write("\r\n".join([*head, "", ""]).encode())
        async with asyncio.timeout(SOON):
            yield reader
    finally:
        writer.transport.abort()


async def head(reader):
    """The status and the fields of an answer."""
    told = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    return int(told.split()[1]), told


async def chunk(reader):
    """One chunk of the body; b"" at its end."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]
