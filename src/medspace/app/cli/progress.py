"""Progress of long work, on standard error, for people only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medspace.app.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid


@contextmanager
def rounds(screen: Screen) -> Iterator[Callable[[JsonObject], None]]:
    """A bar that follows a training run round by round."""
    if screen.as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(screen.say(Text(msgid("training"))), total=None)

        def follow(run: JsonObject) -> None:
            bar.update(task, completed=run["rounds"], total=run.get("max_rounds"))
            bar.update(task, description=screen.say(Text(msgid("round {round}"), {"round": run["rounds"]})))

        yield follow


@contextmanager
def steps(screen: Screen, total: int) -> Iterator[Callable[[Text], None]]:
    """A bar over known steps; each call names the step that begins."""
    if screen.as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def begin(step: Text) -> None:
            bar.update(task, advance=1, description=screen.say(step))

        yield begin
