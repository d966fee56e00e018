"""Approval by people: whose yes counts, alone or next to another's.

An actor counts once, however many tokens it has, and not at all where it made the request itself. This guards against
one person with one token. Anyone who may create tokens for others can create two; the log says who created which.
"""

from medspace.connector.errors import OwnRequestError, SecondPersonError
from medspace.core.actors import NOBODY
from medspace.core.text import Text, msgid

TWO = 2  # the most that can be required


def joined(before: tuple[str, ...], by: str, asker: str = NOBODY) -> tuple[str, ...]:
    """The actors that have said yes, plus this one if its yes counts."""
    return before if _flaw(before, by, asker) else (*before, by)


def insist_on_another(before: tuple[str, ...], by: str, asker: str = NOBODY) -> None:
    """Where more approvals are required, refuse an actor whose yes does not count.

    Raises:
        OwnRequestError: it made the request itself.
        SecondPersonError: it has already said yes, or is unknown.
    """
    if by != NOBODY:
        insist_on_other_than(asker, by)
    flaw = _flaw(before, by, asker)
    if flaw:
        raise SecondPersonError(reason=Text(flaw))


def insist_on_other_than(asker: str, by: str) -> None:
    """Refuse the yes of the one who asked, even where one yes is enough; if one of ours asked, `by` must be known.

    Raises:
        OwnRequestError: they are the same, or nobody knows whether they are.
    """
    if asker != NOBODY and by in (asker, NOBODY):
        raise OwnRequestError


def _flaw(before: tuple[str, ...], by: str, asker: str) -> str:
    if by == NOBODY:
        return msgid("nobody is named who says yes")
    if by in before:
        return msgid("you have said yes already")
    return msgid("you have asked for it yourself") if by == asker else ""
