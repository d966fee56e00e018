"""SIGTERM ends a command as Ctrl-C does: with one sentence, and with the conventional exit code."""

import signal
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT


class Terminated(BaseException):
    """SIGTERM was received."""


def hear_sigterm() -> None:
    """From now on SIGTERM ends the main thread as SIGINT does; a connector handles both itself."""
    signal.signal(signal.SIGTERM, _terminate)


def exit_code_of(stop: BaseException) -> int:
    """128 and the number of the signal: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + signal.SIGTERM if isinstance(stop, Terminated) else INTERRUPTED


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated
