"""Errors of the command line itself."""

from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import msgid


class UsageError(InvalidInputError):
    """The command line cannot be read."""

    code = "usage"
    sentence = msgid("{reason}")
    next_step = msgid("See: {command} --help")


class UnforeseenError(MedspaceError):
    """Something went wrong that has no error of its own."""

    code = "medspace.unforeseen"
    sentence = msgid("Something went wrong that was not foreseen ({kind}): {reason}")
    next_step = msgid("Run it again with MEDSPACE_DEBUG=1 to see the details, and report them.")


class FileNotWrittenError(InvalidInputError):
    """A file that was asked for cannot be written."""

    code = "file.not_written"
    sentence = msgid("The file {file} cannot be written: {reason}.")
    next_step = msgid("Name a file in a folder that is there and that you may write to.")
