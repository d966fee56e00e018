"""Questions at a terminal, in the language of the screen: typer's own words around them are English only."""

from typing import Any

import typer

from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import ENGLISH
from medspace.core.text import Text, msgid, plain

_YES = msgid("{question} (y: yes, Enter: no)")
_NO = msgid("{question} (y: yes, n: no, Enter: yes)")
_AGAIN = msgid("{question} (y or n)")
_NUMBER = msgid("{said} is not a whole number.")


def yes(screen: Screen, question: Text, *, default: bool) -> bool:
    """Whether a person says yes; Enter says `default`.

    Raises:
        typer.Abort: they ended the input.
    """
    asked = plain(screen.say(question))
    if screen.language == ENGLISH:
        return bool(typer.confirm(asked, default=default))
    form = _NO if default else _YES
    while True:
        told = screen.say(Text(form, {"question": asked}))
        said = str(typer.prompt(told, default="", show_default=False, prompt_suffix=" ")).strip().lower()
        if said in ("", "y", "yes", "n", "no"):
            return default if not said else said.startswith("y")
        form = _AGAIN


def answer(screen: Screen, question: Text, default: str | None = "") -> str:
    """What a person says; Enter says `default`, and without one they are asked again.

    Raises:
        typer.Abort: they ended the input.
    """
    return str(typer.prompt(plain(screen.say(question)), default=default, show_default=bool(default))).strip()


def number(screen: Screen, question: Text, default: int | None = None) -> int:
    """The whole number that a person says; Enter says `default`, and what is no number is asked again.

    Raises:
        typer.Abort: they ended the input.
    """
    shown: dict[str, Any] = {"default": str(default)} if default is not None else {}
    while True:
        said = str(typer.prompt(plain(screen.say(question)), **shown)).strip()
        digits = said.removeprefix("-")
        if digits.isascii() and digits.isdecimal() and len(digits) < 10:  # noqa: PLR2004 - more is no number of ours
            return int(said)
        screen.line(Text(_NUMBER, {"said": said}))
