"""Connectors that are killed at any instant, and work that goes on all the same.

A `Crowd` holds connectors as children of one zygote. `killing` kills one or the other at seeded random instants
and starts it again at once, while `Story` threads drive their business through the management API as people do:
they ask again when no answer came. What an answer confirmed must come true.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from medspace.app.compose.sdk import Space, connect
from medspace.app.doors.protocol.endpoints import VERSIONS
from medspace.app.doors.sdk import NotRunningError, SpaceError
from medspace.app.node.config import read_config
from medspace.connector.catalogue.finding import NoConnectorError
from tests.e2e.zygote import Zygote

FUNCTION = "tests.e2e.crash_node:run"
PATIENCE = 90.0  # seconds until what was confirmed must have come true
AMID_WORK = 0.6  # how often all connectors are up before one is killed
LONGEST_LIFE = 0.3  # seconds
WAITING = 4  # the exit code of what somebody else has to do first
T = TypeVar("T")
_CALM = threading.Event()  # nothing is being killed now
_CALM.set()


@dataclass
class Node:
    """A connector that can be killed; `config` is its configuration file."""

    name: str
    config: Path
    zygote: Zygote
    pid: int = 0
    kills: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start it; it answers a moment later."""
        self.pid = self.zygote.fork(config=str(self.config), log=str(self.log))

    @property
    def log(self) -> Path:
        """What all its lives wrote to standard error."""
        return self.config.with_name("connector.log")

    def kill(self) -> None:
        """`kill -9`, and start it again."""
        with self.lock:
            self.zygote.kill(self.pid)
            self.kills += 1
            self.start()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        url = read_config(self.config).base_url + VERSIONS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                httpx.get(url, trust_env=False, verify=False)
                return
            time.sleep(0.005)
        raise AssertionError(f"{self.name} does not come up")

    def stop(self) -> int:
        """End it as an administrator does; its wait status."""
        with self.lock:
            pid, self.pid = self.pid, 0
            return self.zygote.stop(pid) if pid else 0

    def space(self) -> Space:
        """A client of its management API, for one thread."""
        return connect(self.config)


def passes(error: NotRunningError | SpaceError) -> bool:
    """Whether it is enough to ask again: nobody answers here, or the peer that had to be asked is away."""
    return isinstance(error, NotRunningError) or error.exit_code == WAITING or error.code == NoConnectorError.code


class Deadline:
    """So many seconds without a kill: on a busy machine connectors may be killed for long before they are up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = time.monotonic()

    def passed(self) -> bool:
        """Whether they are over."""
        if not _CALM.is_set():
            self._since = time.monotonic()
        return time.monotonic() > self._since + self._seconds


def insist(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Ask until the connector answers and neither it nor the one that it asks in turn has just been killed."""
    deadline = Deadline(seconds)
    while True:
        try:
            return ask()
        except (NotRunningError, SpaceError) as error:
            if not passes(error) or deadline.passed():
                raise
            time.sleep(0.02)


def until(look: Callable[[], dict[str, Any]], *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """Look at a process until it is in one of the states."""
    deadline = Deadline(seconds)
    while (found := insist(look))["state"] not in states:
        assert not deadline.passed(), f"still {found['state']} and not {states}: {found}"
        time.sleep(0.05)
    return found


def kill_at_random(nodes: list[Node], kills: int, seed: int) -> None:
    """Kill nodes at random instants, and start them again at once: mostly amid work, often while they start."""
    chance = random.Random(seed)
    _CALM.clear()
    try:
        for _ in range(kills):
            if chance.random() < AMID_WORK:
                for node in nodes:
                    node.wait()
            time.sleep(chance.uniform(0.005, LONGEST_LIFE))
            chance.choice(nodes).kill()
    finally:
        _CALM.set()


class Story(threading.Thread):
    """Work that one person does over and over until told to stop; it ends with everything confirmed come true."""

    def __init__(self, chance: random.Random, turn: Callable[[random.Random], None]) -> None:
        super().__init__()
        self.chance = chance
        self.turn = turn
        self.ending = threading.Event()
        self.turns = 0
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.ending.is_set():
                self.turn(self.chance)
                self.turns += 1
        except BaseException as error:  # noqa: BLE001 - shown by `told`
            self.fault = error


@contextmanager
def told(turns: list[Callable[[random.Random], None]], seed: int) -> Iterator[list[Story]]:
    """Tell stories side by side while the block runs; afterwards each comes to its end."""
    stories = [Story(random.Random(seed * 1000 + number), turn) for number, turn in enumerate(turns)]
    for story in stories:
        story.start()
    try:
        yield stories
    finally:
        for story in stories:
            story.ending.set()
        for story in stories:
            story.join()
    faults = [story.fault for story in stories if story.fault]
    assert not faults, faults


class Crowd:
    """Connectors under one zygote; the first is also the authority of their space."""

    def __init__(self, nodes: dict[str, Path], zygote: Zygote) -> None:
        self.nodes = [Node(name, config, zygote) for name, config in nodes.items()]

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        statuses = [node.stop() for node in self.nodes]
        assert kind is not None or not any(statuses), f"a connector did not end cleanly: {statuses}"
