"""A command's connection to the connector that its configuration names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medspace.app.doors.cli.errors import LeftError
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.signals import Terminated, exit_code_of
from medspace.app.node.language import spoken_language

if TYPE_CHECKING:
    from medspace.app.doors.sdk import Client

C = TypeVar("C", bound="Client")


@contextmanager
def session(client: Callable[[], type[C]], config: Path, *, json: bool, language: str) -> Iterator[tuple[C, Screen]]:
    """The SDK methods of a feature on the running connector, and the screen to show results on."""
    from medspace.app.doors.sdk import connect  # noqa: PLC0415 - httpx is imported only by verbs that talk

    screen = Screen(as_json=json, language=spoken_language(language))
    with connect(client(), config, language=screen.language) as space:
        try:
            yield space, screen
        except (KeyboardInterrupt, Terminated) as stop:
            raise LeftError(exit_code_of(stop)) from None
