"""What stories wait for: something that another process does by itself, and a refusal."""

import time
from collections.abc import Callable

from medspace.app.demo.story import DemoError
from medspace.app.doors.sdk import SpaceError
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

PATIENCE, PAUSE = 30.0, 0.02  # seconds for one step of a story, and between two looks


def until(done: Callable[[], object]) -> None:
    """Wait for what another process does by itself.

    Raises:
        DemoError: it took too long.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if done():
                return
        except SpaceError:  # it is not there yet
            pass
        if time.monotonic() > end:
            raise DemoError(reason=Text(msgid("a step of the story took too long")))
        time.sleep(PAUSE)


def refusal_of(act: Callable[[], object]) -> JsonObject:
    """Why something is refused.

    Raises:
        DemoError: it was not.
    """
    try:
        act()
    except SpaceError as error:
        return dict(error.problem)
    raise DemoError(reason=Text(msgid("something was allowed that must be refused")))
