"""Optional libraries: where one is missing, the error names the command that brings it."""

from importlib import import_module
from types import ModuleType

from medspace.core.errors import MedspaceError
from medspace.core.text import msgid


class MissingExtraError(MedspaceError):
    """A required optional library is not installed."""

    code = "extra.missing"
    sentence = msgid("This needs the package {package}, which is not installed here.")
    next_step = msgid('Run: pip install "medspace[{extra}]"')
    exit_code = 2


def require(package: str, *, extra: str) -> ModuleType:
    """The module of an optional library.

    Raises:
        MissingExtraError: it is not installed; `extra` is the extra of medspace that brings it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(package=package, extra=extra) from error
