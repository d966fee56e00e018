"""Groups of sites, each with its own masks and total, and how their totals are combined.

Under masks nobody can leave out a site that lies. Where sites are in groups, whatever one of them sends changes the
total of its own group only; of the groups' totals the smallest and the largest are left out, number by number.

What that stops: as long as no more sites lie than groups are left out at each end, each number stays between the
smallest and the largest of the groups without a liar. What it does not: a lie within that range; liars in more groups
than that. Honest hospitals that differ from the others are left out as well, and each hides among fewer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Protocol, TypeVar, runtime_checkable

from medspace.core.canonical import JsonObject
from medspace.runs.masked.errors import TotalInvalidError

FEWEST_GROUPS, MOST_GROUPS = 3, 100

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Robust:
    """Into how many groups the sites are divided, and how many of these are left out at each end of a number."""

    groups: int
    trim: int = 1

    def __post_init__(self) -> None:
        """Raises: ValueError: nothing would be left, or nothing left out."""
        if not FEWEST_GROUPS <= self.groups <= MOST_GROUPS or not 1 <= self.trim <= (self.groups - 1) // 2:
            raise ValueError("at each end at least one group is left out, and at least one is left")


@runtime_checkable
class Grouped(Protocol):
    """What a task has besides whose sites may be in groups (`runs.masked.ports.Summed`).

    Its totals are then those of all groups, one after the other; `check` sees each by itself, `follow` all of them.
    """

    @property
    def groups(self) -> int:
        """How many; 1 where all sites are in one total."""
        ...

    @property
    def trim(self) -> int:
        """How many of them may be wrong."""
        ...


class TotalChecker(Protocol):
    """What is asked of a task here (`runs.masked.ports.Summed`)."""

    def check(self, state: JsonObject, total: Sequence[int], sites: int) -> None:
        """Refuse a total of the answers of so many sites that cannot be right."""
        ...


def groups_of(task: object) -> int:
    """Into how many groups the sites of a task are divided."""
    return task.groups if isinstance(task, Grouped) else 1


def division(manifest: str, seats: Sequence[str], groups: int) -> tuple[tuple[str, ...], ...]:
    """The groups, each in the order of the DIDs; the same in whatever order the seats are named.

    It follows from the digest of the manifest, whose nonce the user draws: by drawing many, the user can choose among
    as many divisions. So nothing may depend on who is with whom. What a single group could not hide is refused.
    """
    if groups == 1:
        return (tuple(sorted(seats)),)
    dealt = sorted(seats, key=lambda seat: sha256(f"medspace group\n{manifest}\n{seat}".encode()).digest())
    return tuple(tuple(sorted(dealt[number::groups])) for number in range(groups))


def checked(task: TotalChecker, state: JsonObject, total: Sequence[int], sites: Sequence[int]) -> Sequence[int]:
    """The combined totals of groups of so many sites each; an impossible total counts as all zeros.

    So a site whose masks do not cancel, or whose numbers are out of range, spoils its group but does not end the run.

    Raises:
        TotalInvalidError: more of them cannot be right than may say whatever they like.
    """
    found: list[int] = []
    wrong: list[TotalInvalidError] = []
    for numbers, took in zip(split(total, len(sites)), sites, strict=True):
        try:
            task.check(state, numbers, took)
            found += numbers
        except TotalInvalidError as error:
            wrong.append(error)
            found += [0] * len(numbers)
    if len(wrong) > (task.trim if isinstance(task, Grouped) else 0):
        raise wrong[0]
    return found


def split(total: Sequence[int], groups: int) -> list[Sequence[int]]:
    """The totals of the groups, of which each has as many numbers."""
    count = len(total) // groups
    return [total[count * number : count * (number + 1)] for number in range(groups)]


def inside(seats: Iterable[str], values: Mapping[str, Value]) -> dict[str, Value]:
    """What belongs to some of the sites."""
    return {site: values[site] for site in seats if site in values}


def trimmed(numbers: Sequence[Fraction], trim: int) -> Fraction:
    """The mean of all but the `trim` smallest and the `trim` largest; exact, so the same at every site.

    Raises:
        ValueError: nothing would be left.
    """
    if not 0 <= 2 * trim < len(numbers):
        raise ValueError("nothing would be left")
    left = sorted(numbers)[trim : len(numbers) - trim]
    return sum(left, Fraction(0)) / len(left)
