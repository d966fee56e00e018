"""Errors of drafting or offering a file."""

import shlex
from collections.abc import Sequence

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid


class PersonUnknownError(InvalidInputError):
    """It was not stated which column names the persons."""

    code = "setup.person"
    sentence = msgid("Nobody said which column of {file} names the patients; without it they cannot be counted.")
    next_step = msgid(
        "Name it with --person COLUMN (it is counted and never leaves{seen}); --rows-are-persons says that each row "
        "is a patient of its own."
    )


class PersonDoubtfulError(InvalidInputError):
    """The column that was said to name the persons is not called so, and another one is."""

    code = "setup.person_doubtful"
    sentence = msgid("{column} does not look like the column of {file} that names the patients; {likelier} does.")
    next_step = msgid("Name that one: {naming}. Or, if {column} is right, leave the other out: {confirming}")

    def __init__(self, file: str, column: str, likelier: Sequence[str]) -> None:
        super().__init__(
            file=file,
            column=column,
            likelier=likelier[0],
            naming=f"--person {shlex.quote(likelier[0])}",
            confirming=" ".join(f"--leave-out {shlex.quote(name)}" for name in likelier),
        )
        self.likelier = tuple(likelier)


class RowsUnclearError(InvalidInputError):
    """Some rows seem to belong to no person, and that was not declared."""

    code = "draft.rows"
    sentence = msgid("Some rows of {file} look like nobody's: {rows}.")
    next_step = msgid("Take them out of the file, or run it again with: --leave-out-rows {kinds}")


class SavedAlreadyError(InvalidInputError):
    """A file with that name exists already."""

    code = "draft.exists"
    sentence = msgid("{file} exists already; nothing was written.")
    next_step = msgid("Choose another name.")
