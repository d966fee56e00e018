"""Pages of lists, as programs and people ask for them."""

from dataclasses import dataclass

from medspace.core.errors import InvalidInputError
from medspace.core.paging import Cursor, cursor
from medspace.core.text import msgid

LARGEST_PAGE = 100  # of anything in one list


class PageError(InvalidInputError):
    """What should name where a page ended names nothing."""

    code = "request.page"
    sentence = msgid("{text} is not where a page of a list ended.")
    next_step = msgid("Give what the page before has as `next`, or leave it out.")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list: so many, behind where the page before it ended."""

    limit: int = LARGEST_PAGE
    after: str = ""

    def cursor(self) -> Cursor | None:
        """Where to begin.

        Raises:
            PageError: `after` holds no cursor.
        """
        try:
            return cursor(self.after)
        except ValueError:
            raise PageError(text=self.after) from None


FIRST = PageRequest()
