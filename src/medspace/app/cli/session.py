"""A verb's connection to the connector that its configuration names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from medspace.app.language import spoken_language
from medspace.app.screen import Screen

if TYPE_CHECKING:
    from medspace.app.sdk import Space


@contextmanager
def session(config: Path, *, json: bool, language: str) -> Iterator[tuple["Space", Screen]]:
    """The SDK on the running connector, and the screen to show results on."""
    from medspace.app.sdk import connect  # noqa: PLC0415 - httpx is imported only by verbs that talk

    screen = Screen(as_json=json, language=spoken_language(language))
    with connect(config, language=screen.language) as space:
        yield space, screen
