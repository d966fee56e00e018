"""Running connectors: two listeners each, in one event loop; any number of connectors in one process."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

from medspace.adapters.logs import configure_logs
from medspace.app.compose.connector import Connector, ConnectorParts, open_connector
from medspace.app.compose.life import Life
from medspace.app.node.config import Config, log_file, read_config
from medspace.app.node.cycles import settle, watch
from medspace.app.node.listening.limits import PRIVATE, PUBLIC, affordable
from medspace.app.node.listening.listener import Listener, bind
from medspace.app.node.notices import Notices
from medspace.core.text import Fact, Text, msgid

# Seconds that a computing thread keeps the interpreter while the event loop waits for it. Python's default is ten
# times as long, and each of the many short steps of a negotiation would wait for that.
SWITCH = 0.0005

# Seconds that the private door waits for assets to be opened, so that the first callers find them. It does not wait
# longer for an unresponsive server or a large table: meanwhile `medspace doctor` reports that the asset is opening.
MOMENT = 5.0

Announce = Callable[[Text], None]


async def serve(
    connector: Connector, stop: asyncio.Event, started: Callable[[], None] | None = None, life: Life | None = None
) -> None:
    """Answer on both listeners and do background work until `stop` is set; then stop as `life` says."""
    config, life = connector.config, life or Life()
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
        inside = life.around(await asyncio.to_thread(lambda: connector.private_app))
        private = Listener(inside, bounds=affordable(PRIVATE))
        with suppress(TimeoutError):
            await asyncio.wait_for(connector.assets.tried(), MOMENT)
        tasks.create_task(private.serve(sockets=[sockets[1]]))
        await private.ready.wait()
        life.opened()
        behind = [tasks.create_task(_tell(connector, started)), tasks.create_task(life.notices.alive())]
        await stop.wait()
        await life.ends(connector.usage.drain())
        for task in behind:
            task.cancel()
        public.should_exit = private.should_exit = True
        work.cancel()


async def _tell(connector: Connector, started: Callable[[], None] | None) -> None:
    """Report that it is running, once both doors answer and opening every asset was tried."""
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
    configure_logs(config.log.level, config.log.format, log_file(config))
    asyncio.run(run_as([config], announce, ConnectorParts()))


async def run_as(configs: Sequence[Config], announce: Announce, parts: ConnectorParts) -> None:
    """Run connectors made of these parts until a signal; notifies the service manager, if there is one."""
    stop = asyncio.Event()
    life = Life(max((config.service.stop_seconds for config in configs), default=0), Notices.of(os.environ))
    life.heed(stop, announce)
    async with asyncio.TaskGroup() as tasks:
        for config in configs:
            connector = await open_connector(config, parts, announce)
            watch()
            told = partial(_announce, connector, announce)
            tasks.create_task(serve(connector, stop, told, life))


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
