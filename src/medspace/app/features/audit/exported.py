"""Reading files that connectors exported for an audit, within size limits."""

from collections.abc import Sequence
from pathlib import Path

from medspace.adapters.oswords import why
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid


class BundleFileError(InvalidInputError):
    """A bundle's file cannot be read."""

    code = "audit.file"
    sentence = msgid("The file {file} cannot be read: {reason}.")
    next_step = msgid("Name files that `medspace audit` wrote, as they were written.")


def contents(files: Sequence[Path], most: int) -> list[bytes]:
    """The contents of files of at most so many bytes.

    Raises:
        BundleFileError: a file cannot be read.
    """
    found = []
    for file in files:
        try:
            if file.stat().st_size > most:
                raise BundleFileError(
                    file=str(file), reason=Text(msgid("it is larger than {most} bytes"), {"most": most})
                )
            found.append(file.read_bytes())
        except OSError as error:
            raise BundleFileError(file=str(file), reason=why(error)) from error
    return found
