"""What cannot be undone is done only where somebody said yes."""

import sys

import pytest
import typer

from medspace.app.doors.cli.confirming import UnconfirmedError, insist
from medspace.app.doors.cli.screen import Screen
from medspace.core.text import Text

QUESTION = Text("Really?")


@pytest.fixture
def terminal(monkeypatch):
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)


def test_yes_is_yes():
    insist(Screen(as_json=True, language="en"), QUESTION, yes=True)


def test_where_nobody_can_be_asked_nobody_said_yes(terminal):
    with pytest.raises(UnconfirmedError):
        insist(Screen(as_json=True, language="en"), QUESTION, yes=False)


@pytest.mark.parametrize("said", [True, False])
def test_a_person_at_a_terminal_is_asked(terminal, monkeypatch, said):
    asked = []
    monkeypatch.setattr(typer, "confirm", lambda text, default: asked.append((text, default)) or said)
    screen = Screen(as_json=False, language="en")
    if said:
        insist(screen, QUESTION, yes=False)
    else:
        with pytest.raises(UnconfirmedError):
            insist(screen, QUESTION, yes=False)
    assert asked == [("Really?", False)]
