"""The command line: `medspace VERB`.

Each command is a thin call of the SDK; heavy imports happen inside the commands.
"""

import os
import sys
from collections.abc import Sequence

import typer

from medspace.app.doors.cli.errors import StoppedError, UnforeseenError, UsageError
from medspace.app.doors.cli.parsing import objection
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.signals import INTERRUPTED, Terminated, exit_code_of, hear_sigterm
from medspace.app.doors.cli.streams import escape_what_cannot_be_shown, speak_utf8
from medspace.app.verbs import root
from medspace.core.errors import MedspaceError

DETAILS = "MEDSPACE_DEBUG"  # if set, unexpected errors are shown with their traceback


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 ok, 2 usage, 3 denied by policy, 4 waiting, 5 proof failed, 1 the rest."""
    if arguments is None:
        speak_utf8()
        hear_sigterm()
    escape_what_cannot_be_shown()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = root(given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader is gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (KeyboardInterrupt, Terminated) as stop:
        sys.exit(_show_error(StoppedError(exit_code_of(stop)), given))
    except typer.Abort:  # at a question
        sys.exit(_show_error(StoppedError(INTERRUPTED), given))
    except Exception as error:  # noqa: BLE001 - the edge of the process: people are shown sentences, no tracebacks
        sys.exit(_show_error(error, given))
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code
        code = _show_error(StoppedError(code), given)
    sys.exit(code)


def _show_error(error: Exception, given: Sequence[str]) -> int:
    if isinstance(error, typer.TyperException) and type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(f"{error}\n")
        return UsageError.exit_code
    known = _known(error)
    Screen.of(given).problem(known)
    if isinstance(known, UnforeseenError) and os.environ.get(DETAILS):
        sys.excepthook(type(error), error, error.__traceback__)
    return known.exit_code


def _known(error: BaseException) -> MedspaceError:
    """The medspace error behind an exception; task groups wrap theirs."""
    while isinstance(error, BaseExceptionGroup):
        error = next((one for one in error.exceptions if isinstance(one, MedspaceError)), error.exceptions[0])
    if isinstance(error, MedspaceError):
        return error
    if isinstance(error, typer.TyperException):
        said, context = getattr(error, "format_message", error.__str__), getattr(error, "ctx", None)
        return UsageError(reason=objection(said()), command=context.command_path if context else "medspace")
    return UnforeseenError(kind=type(error).__name__, reason=str(error) or "-")
