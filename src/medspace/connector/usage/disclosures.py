"""What has left an asset over all users: how many numbers, and in which sets of holders. Pure decisions.

Numbers about persons reveal something about the cells that are held, whoever receives them: as many numbers as there
are cells can reveal all of them (docs/security.md). Totals over several sets of holders can be subtracted from one
another.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from medspace.connector.usage.model import Disclosed
from medspace.core.canonical import Json
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.core.usage import Output

BYTES_OF_A_NUMBER = 4  # bytes of a part per number, at least
MOST_SETS = 256  # sets that are remembered per asset
CODES = frozenset({"use.numbers", "use.sites_fixed"})
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


# --- numbers -------------------------------------------------------------------------------------------------------
def numbers_in(output: Output) -> int:
    """How many numbers a result contains, as numbers or as text; a part counts by its size in bytes."""
    found, waiting = 0, [output.values]  # type: int, list[Json]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        else:
            found += _is_number(value)
    return found + sum(-(-part.size // BYTES_OF_A_NUMBER) for part in output.parts)


def _is_number(value: Json) -> bool:
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def by_default(cells: int) -> int:
    """How many numbers an asset with this many cells may release where its holder sets nothing: one per cell."""
    return cells


@dataclass(frozen=True, slots=True)
class Given:
    """How many numbers an asset has released and may release, over all users and all time."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more it may release."""
        return max(self.limit - self.used, 0)


def within(given: Given, more: int) -> Decision:
    """Whether an asset may release this many more numbers."""
    facts = {"limit": given.limit}
    asked = Text(msgid("at most {limit} numbers that persons stand behind, to all users together"), facts)
    held = Text(msgid("{used} were given, and these would be {more} more"), {"used": given.used, "more": more})
    remedy = Text(msgid("Ask for a smaller model, or ask the holder to raise the limit of numbers of the dataset."))
    return _one("use.numbers", asked, held, remedy, ok=more <= 0 or given.used + more <= given.limit)


# --- sets of holders -----------------------------------------------------------------------------------------------
def same_sites(fixed: Collection[str], sites: Collection[str]) -> Decision:
    """Whether a run under masks is with exactly the holders with whom the asset answers; at first none are fixed."""
    asked = Text(
        msgid("a run of the same data holders as before: {sites}"), {"sites": ", ".join(sorted(fixed)) or "-"}
    )
    held = Text(msgid("these have a seat: {sites}"), {"sites": ", ".join(sorted(sites))})
    remedy = Text(
        msgid(
            "Run the task over just those data holders. Sums over another set differ by the numbers of those who "
            "were added or left out; the holder can change the set (`medspace sites`)."
        )
    )
    return _one("use.sites_fixed", asked, held, remedy, ok=not fixed or set(fixed) == set(sites))


def told(before: Disclosed, sites: Iterable[str]) -> Disclosed:
    """The record with one more set in which a total may be opened."""
    one = tuple(sorted(set(sites)))
    if one in before.sets or len(before.sets) >= MOST_SETS:
        return before
    return replace(before, sets=(*before.sets, one))


def _one(code: str, asked: Text, held: Text, remedy: Text, *, ok: bool) -> Decision:
    premise = Premise(code, asked, held, ok, None if ok else remedy)
    return Decision(Verdict.PERMIT if ok else Verdict.DENY, "permitted" if ok else code, (premise,))
