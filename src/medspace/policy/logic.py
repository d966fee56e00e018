"""Three-valued logic (Kleene's strong tables) with one more value for what another point decides.

`ELSEWHERE` stands for "yes or no, and a later point of the road will say which". It can still become a
permission; `UNDECIDED` never can: the fact is missing or the terms cannot be compared.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum


class Truth(StrEnum):
    """What is known about a constraint."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"
    ELSEWHERE = "elsewhere"

    @classmethod
    def of(cls, answer: bool | None) -> "Truth":  # noqa: FBT001 - the value itself
        """The truth of a comparison; None is undecided."""
        if answer is None:
            return cls.UNDECIDED
        return cls.YES if answer else cls.NO


def conjunction(truths: Iterable[Truth]) -> Truth:
    """All of them: one NO decides, an undecided one spoils a yes."""
    return _first(set(truths), (Truth.NO, Truth.UNDECIDED, Truth.ELSEWHERE), Truth.YES)


def disjunction(truths: Iterable[Truth]) -> Truth:
    """At least one of them: one YES decides, and one that may still become YES keeps the answer open."""
    return _first(set(truths), (Truth.YES, Truth.ELSEWHERE, Truth.UNDECIDED), Truth.NO)


def exactly_one(truths: Iterable[Truth]) -> Truth:
    """Exactly one of them (ODRL `xone`): a second YES decides; anything open leaves it open."""
    listed = tuple(truths)
    yes = listed.count(Truth.YES)
    if yes > 1:
        return Truth.NO
    return _first(set(listed), (Truth.UNDECIDED, Truth.ELSEWHERE), Truth.YES if yes else Truth.NO)


def _first(present: set[Truth], order: tuple[Truth, ...], otherwise: Truth) -> Truth:
    return next((truth for truth in order if truth in present), otherwise)


# Decisions are made at one instant, so the order that `andSequence` asks for is the order of evaluation
# (ODRL Information Model 2.5.4); nothing happens between its parts, and it holds when all of them hold.
LOGIC: Mapping[str, Callable[[Iterable[Truth]], Truth]] = {
    "and": conjunction,
    "andSequence": conjunction,
    "or": disjunction,
    "xone": exactly_one,
}


def negated(answer: bool | None) -> bool | None:  # noqa: FBT001 - the value itself
    """Not; what is not known stays not known."""
    return None if answer is None else not answer


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether one is true; not known where none is true and one is not known."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False
