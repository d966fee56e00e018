"""Errors of the command line itself."""

from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import msgid


class UsageError(InvalidInputError):
    """The command line cannot be read."""

    code = "usage"
    sentence = msgid("{reason}")
    next_step = msgid("See: {command} --help")


class LanguageError(InvalidInputError):
    """A language that nothing here is written in."""

    code = "usage.language"
    sentence = msgid("There is no language {language} here.")
    next_step = msgid("Say --lang en for English or --lang zh for Chinese.")


class AnswerError(InvalidInputError):
    """An answer at the terminal cannot be used; it is asked for again."""

    code = "usage.answer"
    sentence = msgid("{answer} cannot be used: {reason}.")
    next_step = msgid("Answer again.")


class UnforeseenError(MedspaceError):
    """An unexpected error without a class of its own."""

    code = "medspace.unforeseen"
    sentence = msgid("Something went wrong that was not foreseen ({kind}): {reason}")
    next_step = msgid(
        "This is a fault of medspace: report it with the output of the same command with MEDSPACE_DEBUG=1 before it, "
        "without what is confidential in it."
    )


class StoppedError(MedspaceError):
    """The command was stopped by a signal: Ctrl-C (SIGINT) or SIGTERM."""

    code = "medspace.stopped"
    sentence = msgid("Stopped before it was done.")
    next_step = msgid("Run it again; what it had finished by then is kept.")

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code  # type: ignore[misc]  # 128 and the number of the signal, as shells have it


class LeftError(StoppedError):
    """The command was stopped while the connector was working for it."""

    code = "medspace.left"
    sentence = msgid("Stopped waiting; what the connector was asked to do goes on there.")
    next_step = msgid("`medspace runs` and `medspace negotiations` show how it is.")


class FileNotWrittenError(InvalidInputError):
    """A requested file cannot be written."""

    code = "file.not_written"
    sentence = msgid("The file {file} cannot be written: {reason}.")
    next_step = msgid("Name a file in a folder that is there and that you may write to.")
