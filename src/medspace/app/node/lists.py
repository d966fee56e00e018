"""Pages of lists, for programs and people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from medspace.core.errors import InvalidInputError
from medspace.core.paging import Cursor, cursor
from medspace.core.text import msgid

LARGEST_PAGE = 100  # items in one list
T = TypeVar("T")


class PageError(InvalidInputError):
    """The cursor of a page request does not name a place in the list."""

    code = "request.page"
    sentence = msgid("{text} is not where a page of a list ended.")
    next_step = msgid("Give what the page before has as `next`, or leave it out.")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list: its size, and where the page before it ended."""

    limit: int = LARGEST_PAGE
    after: str = ""

    def cursor(self) -> Cursor | None:
        """Where to begin.

        Raises:
            PageError: `after` is not a cursor.
        """
        try:
            return cursor(self.after)
        except ValueError:
            raise PageError(text=self.after) from None


FIRST = PageRequest()


def page_of(found: Sequence[T], name: Callable[[T], str], page: PageRequest) -> tuple[list[T], str]:
    """A page of an in-memory list, by unique names; and where the next one begins, "" after the last.

    Raises:
        PageError: no item has the name where the page before ended, or it is gone.
    """
    rest = found
    if page.after:
        at = next((number for number, one in enumerate(found, 1) if name(one) == page.after), None)
        if at is None:
            raise PageError(text=page.after)
        rest = found[at:]
    shown = list(rest[: page.limit])
    return shown, name(shown[-1]) if len(rest) > page.limit else ""
