"""The command line: `medspace VERB`. Each verb is a thin call of the SDK; heavy imports happen inside the verbs."""

import sys
from collections.abc import Sequence

from medspace.app.cli.root import root
from medspace.app.screen import Screen
from medspace.core.errors import MedspaceError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and end the process: 0 ok, 2 usage, 3 denied by policy, 4 waiting, 5 proof failed, 1 the rest."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        root(given)
    except MedspaceError as error:
        Screen.of(given).problem(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
