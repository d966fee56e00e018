"""What totals over several sets of sites reveal about single ones: which combinations are one site's own sum.

A total over a set is the sum of the vectors of its sites. So a site's own sum follows from totals, by adding them up
with some factors, where its unit vector lies in the span of the sets: that is decided here, in exact fractions.
"""

from collections.abc import Collection, Sequence
from fractions import Fraction

Sets = Sequence[Collection[str]]


def given_away(sets: Sets) -> frozenset[str]:
    """The sites whose own sums follow from the totals over these sets."""
    names = sorted({site for one in sets for site in one})
    rows = _reduced([[Fraction(name in one) for name in names] for one in sets])
    units = [[column for column, value in enumerate(row) if value] for row in rows]
    # In the reduced form a unit vector of the span is a row by itself.
    return frozenset(names[unit[0]] for unit in units if len(unit) == 1)


def changed(one: Collection[str], other: Collection[str]) -> frozenset[str]:
    """The sites that are in only one of two sets: the difference of the two totals consists of their sums."""
    return frozenset(one) ^ frozenset(other)


def completing(sets: Sets, new: Collection[str]) -> dict[str, frozenset[str]]:
    """By site, a set whose total would expose it once there is a total over `new`; others might be asked for it.

    Two sets that have one site in common, and a third of all that differs between them (three overlapping sets).
    """
    found = {}
    for one in sets:
        common = frozenset(one) & frozenset(new)
        if len(common) == 1 and changed(one, new):
            found[min(common)] = changed(one, new)
    return found


def _reduced(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """The reduced row echelon form."""
    done = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((at for at in range(done, len(rows)) if rows[at][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        factor = rows[done][column]
        rows[done] = [value / factor for value in rows[done]]
        for at in range(len(rows)):
            if at != done and (factor := rows[at][column]):
                rows[at] = [value - factor * lead for value, lead in zip(rows[at], rows[done], strict=True)]
        done += 1
    return rows[:done]
