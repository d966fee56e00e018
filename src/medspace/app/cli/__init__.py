"""The command line: `medspace VERB`. Each verb is a thin call of the SDK; heavy imports happen inside the verbs."""

import os
import sys
from collections.abc import Sequence

import typer

from medspace.app.cli.errors import UnforeseenError, UsageError
from medspace.app.cli.root import root
from medspace.app.screen import Screen
from medspace.core.errors import MedspaceError

INTERRUPTED = 130
DETAILS = "MEDSPACE_DEBUG"  # set to anything: the details of what nobody foresaw are shown
Usage = typer.BadParameter.__mro__[2]  # ClickException; typer may carry its own copy of click


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and end the process: 0 ok, 2 usage, 3 denied by policy, 4 waiting, 5 proof failed, 1 the rest."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = root(given)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the edge of the process: people are shown sentences, no tracebacks
        sys.exit(_told(error, given))
    sys.exit(code)


def _told(error: Exception, given: Sequence[str]) -> int:
    if isinstance(error, Usage) and type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(f"{error}\n")
        return UsageError.exit_code
    known = _known(error)
    Screen.of(given).problem(known)
    if isinstance(known, UnforeseenError) and os.environ.get(DETAILS):
        sys.excepthook(type(error), error, error.__traceback__)
    return known.exit_code


def _known(error: BaseException) -> MedspaceError:
    """The error of ours that says what went wrong; task groups wrap theirs."""
    while isinstance(error, BaseExceptionGroup):
        error = next((one for one in error.exceptions if isinstance(one, MedspaceError)), error.exceptions[0])
    if isinstance(error, MedspaceError):
        return error
    if isinstance(error, Usage):
        said, context = getattr(error, "format_message", error.__str__), getattr(error, "ctx", None)
        return UsageError(reason=said(), command=context.command_path if context else "medspace")
    return UnforeseenError(kind=type(error).__name__, reason=str(error) or "-")
