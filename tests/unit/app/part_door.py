"""The endpoint of parts behind a real listener, with doubles of who may and of where parts lie."""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256

from medspace.adapters.blobs.memory import MemoryBlobStore
from medspace.app.doors.protocol.parts import PartEndpoint
from medspace.app.doors.protocol.public import part_routes
from medspace.connector.usage.errors import UnknownJobError
from medspace.core.parts import Keeping, Part
from medspace.trust.errors import TokenMissingError
from medspace.trust.model import Caller
from tests.attacks.wires import door

USER = "did:web:company.example"
JOB, TOKEN = "urn:uuid:job", "secret"
KEEPING = Keeping(USER, JOB)
BINARY = "application/octet-stream"


def part_of(content):
    return Part(sha256(content).hexdigest(), BINARY, len(content))


@dataclass
class Gate:
    """Lets one user with one token in; knows what was released."""

    released_parts: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    keeping: Keeping = KEEPING

    async def enter(self, user, job, token):
        self.asked.append((user, job, token))
        return self._let_in(user, job, token)

    def _let_in(self, user, job, token):
        if (user, job, token) != (USER, JOB, TOKEN):
            raise UnknownJobError(use=job)
        return self.keeping

    async def released(self, user, job, token, digest):
        self._let_in(user, job, token)
        return self.released_parts.get(digest)


@dataclass
class PartApplication:
    """What `tests.attacks.wires.door` opens."""

    blobs: object = field(default_factory=lambda: MemoryBlobStore(64 << 20, lambda: 0.0))
    gate: Gate = field(default_factory=Gate)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self):
        return part_routes(PartEndpoint(self.gate, self.blobs, self.authenticate))

    async def authenticate(self, authorization):
        if authorization is None:
            raise TokenMissingError
        return Caller(authorization.removeprefix("Bearer "), "token")

    def release(self, content, media_type=BINARY):
        """Have a release name a part."""
        with self.blobs.of(KEEPING).create(media_type) as new:
            new.write(content)
        self.gate.released_parts[new.part.digest] = new.part
        return new.part


def part_door(application=None, **bounds):
    return door(application=application or PartApplication(), **bounds)


def headers(user=USER, token=TOKEN, **more):
    return {"Authorization": f"Bearer {user}", "Medspace-Job": token, **more}


def url(port, digest, job=JOB):
    return f"http://127.0.0.1:{port}/jobs/{job}/parts/{digest}"


async def patiently(holds):
    """Let the loop and the threads run until something holds, on however busy a machine."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what holds is inside the server, which has no event for it
            await asyncio.sleep(0.002)
