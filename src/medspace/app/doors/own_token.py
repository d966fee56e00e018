"""Which token a client uses.

In this order: `medspace --token-file`, `MEDSPACE_TOKEN` (the token itself), `MEDSPACE_TOKEN_FILE` (a private file
that contains it), and otherwise the owner's, in the file that the configuration names.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

TOKEN, TOKEN_FILE = "MEDSPACE_TOKEN", "MEDSPACE_TOKEN_FILE"


class TokenUnusedError(InvalidInputError):
    """A token was named for a command that works on files of its own, and asks no connector."""

    code = "token.unused"
    sentence = msgid("{command} asks no connector, so no token counts: it works on files, with your own permissions.")
    next_step = msgid("Leave --token-file out.")


@contextmanager
def used(file: Path) -> Iterator[None]:
    """Use the token in this file within this context, whatever the environment says."""
    before = {name: os.environ.pop(name, None) for name in (TOKEN, TOKEN_FILE)}
    os.environ[TOKEN_FILE] = str(file)
    try:
        yield
    finally:
        del os.environ[TOKEN_FILE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def own_token() -> str | None:
    """The client's own token; None if none was specified, so that the owner's is used.

    Raises:
        SecretFileError, SecretExposedError: the file is missing or broken, or others can read it.
    """
    if os.environ.get(TOKEN):
        return os.environ[TOKEN].strip()
    if not os.environ.get(TOKEN_FILE):
        return None
    from medspace.adapters.keys import load_token  # noqa: PLC0415 - cryptography comes with it

    return load_token(Path(os.environ[TOKEN_FILE]))
