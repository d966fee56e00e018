"""Confirmation of irreversible actions: a person at a terminal, `--yes` elsewhere."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from medspace.app.doors.cli.asking import yes as yes_to
from medspace.app.doors.cli.screen import Screen
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

LoosenOption = Annotated[
    bool, typer.Option("--loosen", help="Even if patients are protected less than before; --yes does not say so.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


class UnconfirmedError(InvalidInputError):
    """The action was not confirmed."""

    code = "unconfirmed"
    sentence = msgid("Nothing was changed: nobody has confirmed it.")
    next_step = msgid("Run it again and say yes, or add {option} where nobody can be asked.")

    def __init__(self, option: str = "--yes") -> None:
        super().__init__(option=option)


def insist(screen: Screen, question: Text, *, yes: bool, option: str = "--yes") -> None:
    """Continue only if a person says yes to the question, or the option was given that stands for it.

    Raises:
        UnconfirmedError: neither happened.
    """
    if yes:
        return
    if screen.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UnconfirmedError(option)
    if not yes_to(screen, question, default=False):
        raise UnconfirmedError(option)


def tell_looser(screen: Screen, changes: Sequence[Text]) -> None:
    """Say which changes protect patients less than before."""
    if changes:
        screen.line(Text(msgid("This protects the patients less than before:")))
        for change in changes:
            screen.line(Text("  - {change}", {"change": change}))


def insist_loosening(screen: Screen, changes: Sequence[Text], *, loosen: bool) -> None:
    """Continue only if no change protects patients less than before, or a person wants just that.

    Raises:
        UnconfirmedError: there is one, and nobody does.
    """
    insist(screen, Text(msgid("Protect them less?")), yes=loosen or not changes, option="--loosen")
