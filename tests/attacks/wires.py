"""A listener with bounds of choice around a small application, and raw bytes to it."""

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from medspace.app.node.listening.limits import PUBLIC
from medspace.app.node.listening.listener import Listener, bind

SOON = 10  # seconds after which a test has failed


@dataclass
class Application:
    """What was asked of it; `/` says hello, `/early` refuses unread, `/read` reads, `/wait` waits for `go`."""

    seen: list = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self):
        methods = ["GET", "POST", "PUT", "OPTIONS"]
        pages = (self.hello, self.early, self.read, self.wait, self.large, self.who, self.later)
        paths = ("/", "/early", "/read", "/wait", "/large", "/who", "/later")
        return [Route(path, page, methods=methods) for path, page in zip(paths, pages, strict=True)]

    async def hello(self, request):
        self.seen.append(dict(request.headers))
        return PlainTextResponse("hello")

    async def early(self, _):
        return PlainTextResponse("no", 401)

    async def read(self, request):
        self.seen.append(await request.body())
        return PlainTextResponse(f"read {len(self.seen[-1])} {request.headers.get('authorization')}")

    async def wait(self, _):
        await self.go.wait()
        return PlainTextResponse("waited")

    async def large(self, _):
        return PlainTextResponse("x" * (16 << 20))

    async def later(self, _):
        return PlainTextResponse("later", 429)

    async def who(self, request):
        request.scope.get("medspace.proven", lambda: None)()
        return PlainTextResponse("proven")


@dataclass
class Door:
    """A listener that is open."""

    server: Listener
    application: Application
    port: int

    async def say(self, *parts):
        """Everything that is answered to these bytes until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(SOON):
                try:
                    for part in parts:
                        writer.write(part)
                        await writer.drain()
                except ConnectionError:
                    pass
                return await everything(reader)
        finally:
            writer.close()


async def until(holds):
    """Let the loop run until something holds."""
    async with asyncio.timeout(SOON):
        while not holds():  # noqa: ASYNC110 - what holds is inside the server, which has no event for it
            await asyncio.sleep(0)


async def everything(reader):
    """What comes until the connection ends, however it ends."""
    got = b""
    try:
        while part := await reader.read(1 << 16):
            got += part
    except ConnectionError:
        pass
    return got


@asynccontextmanager
async def door(proxies=(), application=None, **bounds):
    """An open listener; `bounds` change the public ones."""
    application = application or Application()
    limits = replace(PUBLIC, **{"looks": 0.05, "idle": 0.2, **bounds})
    server = Listener(Starlette(routes=application.routes()), bounds=limits, proxies=proxies)
    with bind("127.0.0.1", 0) as bound:
        task = asyncio.create_task(server.serve(sockets=[bound]))
        await server.ready.wait()
        try:
            yield Door(server, application, bound.getsockname()[1])
        finally:
            application.go.set()
            server.should_exit = True
            for connection in list(server.server_state.connections):
                connection.leave()
            await task


def request(path="/", method="GET", fields=(), body=b""):
    """One request."""
    head = [f"{method} {path} HTTP/1.1", "Host: here", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


def chunked(path, *rest, fields=()):
    """A request with a chunked body, and what follows its head."""
    return request(path, "POST", ("Transfer-Encoding: chunked", *fields), b"".join(rest))


def statuses(answered):
    """The statuses in what was answered."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]
