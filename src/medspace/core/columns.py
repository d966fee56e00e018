"""A column that a question names and the data do not have: said with those that they have.

An engine says which column it misses. It knows the whole dictionary, and so does not say what else there is: only
usage control knows which columns everybody may read of in the catalogue.
"""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from medspace.core.canonical import Json
from medspace.core.dictionary import ColumnType
from medspace.core.errors import InvalidInputError
from medspace.core.text import Fact, Text, msgid, plain

MOST_NAMED = 20
LONGEST_NAME = 60  # characters of a name that are shown
_KINDS = {False: msgid("numeric"), True: msgid("coded")}


class ColumnUnknownError(InvalidInputError):
    """The data have no such column, or not of that kind; `coded` or numeric."""

    code = "learning.column_unknown"
    sentence = msgid("The data have no {kind} column {column}{others}.")
    next_step = msgid("Look at the data dictionary in the catalogue and fix the task.")

    def __init__(self, column: str, *, coded: bool, others: Text | str = "") -> None:
        super().__init__(column=column, kind=Text(_KINDS[coded]), others=others)
        self.column, self.coded = column, coded

    def among(self, described: Iterable[Mapping[str, Json]], person: str | None) -> "ColumnUnknownError":
        """The same error, naming the columns of that kind in a published dictionary, the most alike first.

        `described` are its columns (`core.dictionary.describe`), `person` is the one with the pseudonyms.
        """
        names = [str(one["name"]) for one in described if one["name"] != person and self._fits(str(one["type"]))]
        if not names:
            return self
        names.sort(key=lambda name: -SequenceMatcher(None, self.column[:LONGEST_NAME], name[:LONGEST_NAME]).ratio())
        told = ", ".join(plain(name)[:LONGEST_NAME] for name in names[:MOST_NAMED])
        others = Text(msgid(", but {columns}"), {"columns": told})
        if len(names) > MOST_NAMED:
            facts: dict[str, Fact | Text] = {"columns": told, "more": len(names) - MOST_NAMED}
            others = Text(msgid(", but {columns} and {more} more"), facts)
        return ColumnUnknownError(self.column, coded=self.coded, others=others)

    def _fits(self, kind: str) -> bool:
        numeric = (ColumnType.NUMBER.value, ColumnType.INTEGER.value)
        return kind not in numeric if self.coded else kind != ColumnType.CODE.value
