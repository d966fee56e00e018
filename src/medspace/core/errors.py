"""The base of every error of medspace: a stable code, one sentence, one next step.

    MedspaceError
     |- InvalidInputError      what was given cannot be used          (exit 2)
     |- RefusedError           a rule forbids it                      (exit 3)
     |- WaitingError           not now: somebody or something is due  (exit 4)
     |- ProofError             a claim does not hold                  (exit 5)
     `- StorageError           the database did not do it             (exit 1)
         |- StaleRecordError
         |- DuplicateRecordError
         |- StorageFullError
         `- StorageTakenError

Each room derives its own errors from these, in its `errors.py`.
"""

from typing import ClassVar

from medspace.core.text import Fact, Text, msgid


class MedspaceError(Exception):
    """Base: subclasses set `code`, `sentence` and `next_step`; facts fill the gaps of both sentences."""

    code: ClassVar[str] = "medspace.error"
    sentence: ClassVar[str] = msgid("Something unexpected failed.")
    next_step: ClassVar[str] = msgid("Run `medspace doctor` and read the log of the connector.")
    exit_code: ClassVar[int] = 1

    def __init__(self, **facts: Fact | Text) -> None:
        super().__init__(facts)
        self.facts = facts

    @property
    def text(self) -> Text:
        """What happened, in one sentence."""
        return Text(self.sentence, self.facts)

    @property
    def advice(self) -> Text:
        """What to do next, in one sentence."""
        return Text(self.next_step, self.facts)

    def __str__(self) -> str:
        return f"{self.code}: {self.text} {self.advice}"


class InvalidInputError(MedspaceError):
    """What was given cannot be used."""

    code = "input.invalid"
    sentence = msgid("The input cannot be used: {reason}.")
    next_step = msgid("Fix it and send it again.")
    exit_code = 2


class RefusedError(MedspaceError):
    """A rule forbids it."""

    code = "refused"
    sentence = msgid("This is not allowed: {reason}.")
    next_step = msgid("Ask the data holder for other terms.")
    exit_code = 3


class WaitingError(MedspaceError):
    """Not now: somebody or something is due first."""

    code = "waiting"
    sentence = msgid("This is waiting for {whom}.")
    next_step = msgid("Try again later.")
    exit_code = 4


class ProofError(MedspaceError):
    """A claim does not hold."""

    code = "proof.failed"
    sentence = msgid("The proof does not hold: {reason}.")
    next_step = msgid("Do not rely on this; ask its sender for the original and report the difference.")
    exit_code = 5


class StorageError(MedspaceError):
    """The database did not do what was asked; nothing of it was kept."""

    code = "storage.failed"
    sentence = msgid("The database did not take the change: {reason}.")
    next_step = msgid("Nothing was changed. Look at the database named in the configuration, then try again.")


class StaleRecordError(StorageError):
    """Compare-and-swap lost: the record is no longer what the caller had read."""

    code = "storage.stale"
    sentence = msgid("The record {id} was changed meanwhile.")
    next_step = msgid("Read it again and repeat the change.")


class DuplicateRecordError(StorageError):
    """A record with the same identity or the same unique keys already exists."""

    code = "storage.duplicate"
    sentence = msgid("A record like {id} is there already.")
    next_step = msgid("Use the one that is there, or choose another identity.")


class StorageFullError(StorageError):
    """The disk or the database is full; nothing of the change was kept."""

    code = "storage.full"
    sentence = msgid("There is no room left for the database.")
    next_step = msgid("Free some disk space; what was not acknowledged will be sent again.")


class StorageTakenError(StorageError):
    """Another connector runs on this database."""

    code = "storage.taken"
    sentence = msgid("Another connector already runs on the database {database}.")
    next_step = msgid("Stop the other connector, or give this one a database of its own.")
