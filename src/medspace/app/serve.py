"""Running connectors: two listeners each, in one event loop; any number of connectors in one process."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from medspace.adapters.logs import configure_logs
from medspace.app.compose import Connector, Parts, open_connector
from medspace.app.config import Config, read_config
from medspace.app.cycles import settle, watch
from medspace.app.listener import Listener, bind
from medspace.app.listener_limits import PRIVATE, PUBLIC, affordable
from medspace.core.text import Fact, Text, msgid

# Seconds that a thread which computes keeps the interpreter while the event loop wants it; Python's default is ten
# times as long, which each of the many short steps of a negotiation would wait for.
SWITCH = 0.0005

# Seconds that the private door waits for assets to be opened, so that whoever comes in finds them; not for a server
# that does not answer, or for a large table: meanwhile `medspace doctor` says that it is being opened.
MOMENT = 5.0

Announce = Callable[[Text], None]


async def serve(connector: Connector, stop: asyncio.Event, started: Callable[[], None] | None = None) -> None:
    """Answer on both listeners and do the connector's own work until `stop` is set."""
    config = connector.config
    sys.setswitchinterval(SWITCH)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connector.close)
        proxies = config.public.proxies if config.public.behind_proxy else ()
        bounds = affordable(PUBLIC)
        public = Listener(connector.public_app, **_tls(config), bounds=bounds, proxies=proxies)
        binds = ((config.public.host, config.public.port), (config.private.host, config.private.port))
        sockets = [stack.enter_context(bind(host, port)) for host, port in binds]
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(public.serve(sockets=[sockets[0]]))
        await public.ready.wait()
        work = tasks.create_task(connector.work())
        private = Listener(await asyncio.to_thread(lambda: connector.private_app), bounds=affordable(PRIVATE))
        with suppress(TimeoutError):
            await asyncio.wait_for(connector.assets.tried(), MOMENT)
        tasks.create_task(private.serve(sockets=[sockets[1]]))
        await private.ready.wait()
        telling = tasks.create_task(_tell(connector, started))
        await stop.wait()
        telling.cancel()
        public.should_exit = private.should_exit = True
        work.cancel()


async def _tell(connector: Connector, started: Callable[[], None] | None) -> None:
    """Say that it runs once both doors answer and every asset was tried."""
    await connector.assets.tried()
    if started is not None:
        started()


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
            watch()
            tasks.create_task(serve(connector, stop, lambda c=connector: _announce(c, announce)))  # type: ignore[misc]


def _announce(connector: Connector, announce: Announce) -> None:
    settle()
    announce(_ready(connector.config))
    for state in connector.assets.states:
        if state.error is not None:
            facts: dict[str, Fact | Text] = {"asset": state.id, "why": state.error.text, "advice": state.error.advice}
            announce(Text(msgid("{asset} is not open: {why} {advice}"), facts))


def _ready(config: Config) -> Text:
    facts = {"name": config.participant.name, "did": config.did, "url": config.base_url}
    return Text(msgid("{name} is running: {did} at {url}. Stop it with Ctrl-C."), facts)
