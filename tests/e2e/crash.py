"""Connectors that are killed at any instant, and work that goes on all the same.

A `Crowd` holds connectors as children of one zygote. `killing` kills one or the other at seeded random instants
and starts it again at once, while `Story` threads drive their business through the management API as people do:
they ask again when no answer came. What an answer confirmed must come true.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.e2e.zygote import Zygote

from medspace.app.sdk import NotRunningError, Space, SpaceError, connect

FUNCTION = "tests.e2e.crash_node:run"
PATIENCE = 90.0  # seconds until what was confirmed must have come true
T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - not an error: the story is told to end
    """The story was told to end between two steps."""


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
        self.pid = self.zygote.fork(config=str(self.config))

    def kill(self) -> None:
        """`kill -9`, and start it again."""
        with self.lock:
            self.zygote.kill(self.pid)
            self.kills += 1
            self.start()

    def stop(self) -> int:
        """End it as an administrator does; its wait status."""
        with self.lock:
            return self.zygote.stop(self.pid)

    def space(self) -> Space:
        """A client of its management API, for one thread."""
        return connect(self.config)


def insist(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Ask until the connector answers; a connector that was just killed does not."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except NotRunningError:
            assert time.monotonic() < deadline, "the connector does not come back"
            time.sleep(0.01)


def until(look: Callable[[], Any], states: set[str], seconds: float = PATIENCE) -> dict[str, Any]:
    """Look at a process until it is in one of the states."""
    deadline = time.monotonic() + seconds
    while (found := insist(look))["state"] not in states:
        assert time.monotonic() < deadline, f"still {found['state']} and not {states}: {found}"
        time.sleep(0.02)
    return found


@contextmanager
def killing(nodes: list[Node], kills: int, seed: int, longest: float = 0.35) -> Iterator[None]:
    """While the block runs, kill one node or another at random instants; the block ends after the last kill."""
    chance = random.Random(seed)
    faults: list[BaseException] = []

    def kill_all() -> None:
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.005, longest))
                chance.choice(nodes).kill()
        except BaseException as error:  # noqa: BLE001 - shown by the block
            faults.append(error)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        yield
    finally:
        killer.join()
    assert not faults, faults


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
        self.zygote = zygote
        self.nodes = [Node(name, config, zygote) for name, config in nodes.items()]

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        statuses = [node.stop() for node in self.nodes]
        assert kind is not None or not any(statuses), f"a connector did not end cleanly: {statuses}"


__all__ = ["FUNCTION", "Crowd", "Node", "SpaceError", "Story", "insist", "killing", "told", "until"]
