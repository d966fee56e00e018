"""Progress of long work, on standard error, for people only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medspace.app.doors.cli.screen import Screen
from medspace.app.features.training.attending import MISSING, share, slowest, standing
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid, plain

OVER = frozenset({"finished", "failed", "cancelled"})
Say = Callable[[str], None]


@contextmanager
def rounds(screen: Screen) -> Iterator[Callable[[JsonObject], None]]:
    """A progress bar for a training run, by rounds; missing hospitals are reported even without a terminal."""
    if screen.as_json:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        yield _Absences(screen, _write).follow
        return
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True, markup=False, highlight=False)
    with Progress(console=console) as bar:
        task = bar.add_task(screen.say(Text(msgid("training"))), total=None)
        absences = _Absences(screen, console.print)

        def follow(run: JsonObject) -> None:
            absences.follow(run)
            bar.update(task, completed=run["rounds"], total=run.get("max_rounds"))
            facts = {"round": run["rounds"], "hospitals": share(run.get("sites", ()))}
            said = screen.say(Text(msgid("question {round}, hospitals {hospitals}"), facts))
            far = slowest(run.get("sites", ()))
            bar.update(task, description=said if far is None else plain(f"{said} ({screen.say(far)})"))

        yield follow


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class _Absences:
    """Reports each hospital that is awaited or lost, and for how long, whenever that changes.

    Possible differences between their data are reported once, before the first question.
    """

    def __init__(self, screen: Screen, say: Say) -> None:
        self._screen = screen
        self._say = say
        self._said: dict[str, str] = {}

    def follow(self, run: JsonObject) -> None:
        for remark in run.get("remarks", ()):
            self._tell(remark, f"  - {remark}")
        if run["state"] in OVER:  # the end is reported with the result
            return
        sites = [(site["site"], site) for site in run.get("sites", ())]
        leader = run.get("coordinator")
        for did, site in [*sites, *([(leader["did"], leader)] if leader else [])]:
            if site["status"] in MISSING:
                self._tell(did, self._screen.say(standing(site)))
            elif self._said.pop(did, ""):
                self._say(plain(self._screen.say(Text(msgid("  - {name} is back"), {"name": site["name"]}))))

    def _tell(self, did: str, line: str) -> None:
        if self._said.get(did) != line:
            self._said[did] = line
            self._say(plain(line))


@contextmanager
def steps(screen: Screen, total: int) -> Iterator[Callable[[Text], None]]:
    """A progress bar over known steps; each call names the step that begins."""
    if screen.as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True, markup=False), transient=True) as bar:
        task = bar.add_task("", total=total)

        def begin(step: Text) -> None:
            bar.update(task, advance=1, description=plain(screen.say(step)))

        yield begin
