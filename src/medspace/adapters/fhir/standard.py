"""The views that come with the program: one for each type of resource, named as that type."""

from functools import cache
from pathlib import Path

import msgspec

from medspace.adapters.fhir.errors import ViewError
from medspace.adapters.fhir.views import CompiledView, read_view
from medspace.adapters.oswords import why
from medspace.core.canonical import JsonObject
from medspace.core.text import msgid

FOLDER = Path(__file__).with_name("views")
LARGEST = 1_000_000  # bytes of a ViewDefinition


@cache
def standard_views() -> tuple[str, ...]:
    """The types of resources that have a view here."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.json")))


def said_of(kind: str) -> JsonObject:
    """The ViewDefinition that comes with the program for a type of resource, as JSON.

    Raises:
        ViewError: there is none.
    """
    if kind not in standard_views():
        reason = msgid("the program has none for this type; it has {known}")
        raise ViewError(kind or "-", reason, {"known": ", ".join(standard_views())})
    said: JsonObject = msgspec.json.decode((FOLDER / f"{kind}.json").read_bytes())
    return said


def view_of(name: str, file: Path) -> CompiledView:
    """The view of that name among those that come with the program, else the ViewDefinition in the file.

    Raises:
        ViewError: there is none, or it cannot be used.
    """
    path = FOLDER / f"{name}.json" if name in standard_views() else file
    try:
        with path.open("rb") as opened:
            text = opened.read(LARGEST + 1)
    except OSError as error:
        raise ViewError(name or "-", why(error)) from None
    return read_view(text[:LARGEST], name)
