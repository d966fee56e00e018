"""How far the pilot is and how long it will take, on standard error, for people only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medspace.app.doors.cli.screen import Screen
from medspace.core.text import Text, plain


@contextmanager
def bar(screen: Screen) -> Iterator[Callable[[float, Text], None]]:
    """A progress bar with the time left; without a terminal a line for each step; nothing beside JSON."""
    if screen.as_json:
        yield lambda _done, _said: None
        return
    if not sys.stderr.isatty():
        yield _Lines(screen).say
        return
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("/"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, markup=False), transient=True) as shown:
        task = shown.add_task("", total=1.0)
        yield lambda done, said: shown.update(task, completed=done, description=plain(screen.say(said)))


class _Lines:
    """A line for whatever is said, once."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last = ""

    def say(self, done: float, said: Text) -> None:
        """How far it is, unless that was said last."""
        line = plain(f"{done:4.0%}  {self._screen.say(said)}")
        if line != self._last:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        self._last = line
