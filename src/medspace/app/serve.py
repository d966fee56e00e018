"""Running connectors: two listeners each, in one event loop; any number of connectors in one process."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from medspace.adapters.logs import configure_logs
from medspace.app.compose import Connector, Parts, open_connector
from medspace.app.config import Config, ConfigError, read_config
from medspace.core.text import Text, msgid

BACKLOG = 512
KEEP_ALIVE = 30  # seconds
MOST_CONNECTIONS = 1000
GRACE = 5  # seconds that open requests have when a connector stops

Announce = Callable[[Text], None]


class _Listener(uvicorn.Server):
    """A uvicorn server that leaves signals to the process: several run in one event loop."""

    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        ConfigError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(file=f"{host}:{port}", reason=str(error.strerror)) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener


def _server(app: Any, **tls: str) -> _Listener:  # noqa: ANN401 - an ASGI application has no shared type
    settings = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=MOST_CONNECTIONS,
        ssl_certfile=tls.get("certificate") or None,
        ssl_keyfile=tls.get("certificate_key") or None,
    )
    return _Listener(settings)


async def serve(connector: Connector, stop: asyncio.Event, started: Callable[[], None] | None = None) -> None:
    """Answer on both listeners and do the connector's own work until `stop` is set."""
    config = connector.config
    public = _server(connector.public_app, **_tls(config))
    private = _server(connector.private_app)
    sockets = [bind(config.public.host, config.public.port), bind(config.private.host, config.private.port)]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connector.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for server, listener in zip((public, private), sockets, strict=True):
            tasks.create_task(server.serve(sockets=[listener]))
        work = tasks.create_task(connector.work())
        await asyncio.gather(public.ready.wait(), private.ready.wait())
        if started is not None:
            started()
        await stop.wait()
        public.should_exit = private.should_exit = True
        work.cancel()


def _tls(config: Config) -> dict[str, str]:
    if not config.public.certificate:
        return {}
    return {
        "certificate": str(config.path(config.public.certificate)),
        "certificate_key": str(config.path(config.public.certificate_key)),
    }


def run_connector(file: Path, announce: Announce) -> None:
    """Run the connector of a configuration file until SIGINT or SIGTERM."""
    config = read_config(file)
    configure_logs(config.log.level, config.log.format)
    asyncio.run(_run([config], announce))


async def _run(configs: Sequence[Config], announce: Announce) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        for config in configs:
            connector = await open_connector(config, Parts(), announce)
            tasks.create_task(serve(connector, stop, lambda c=config: announce(_ready(c))))  # type: ignore[misc]


def _ready(config: Config) -> Text:
    facts = {"name": config.participant.name, "did": config.did, "url": config.base_url}
    return Text(msgid("{name} is running: {did} at {url}. Stop it with Ctrl-C."), facts)
