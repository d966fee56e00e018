"""Looking at the sites of a run before anything is asked: are they there, and does the task fit what they publish?"""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.core.text import Text
from medspace.runs import codings, rules
from medspace.runs.asking import Asking
from medspace.runs.errors import SiteError
from medspace.runs.model import Fault, Run, Seat
from medspace.runs.ports import Dictionaries, Need

DOORS = 64  # sites that are looked at at a time: small messages


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Which sites cannot take part, and what of the others' data may differ."""

    faults: tuple[Fault, ...]
    remarks: tuple[Text, ...]


async def survey(dictionaries: Dictionaries, needs: Sequence[Need], run: Run, asking: Asking) -> Surveyed:
    """Hold the task against the dictionary of each site, and the dictionaries against one another."""
    seats = rules.seated(run)
    faults: list[Fault] = []
    published: dict[str, codings.Columns] = {}

    async def look(seat: Seat) -> codings.Columns | None:
        found = await dictionaries.dictionary(seat.agreement)
        return None if found is None else codings.check(seat.site, needs, found)

    def take(position: int, found: codings.Columns | SiteError | None) -> None:
        if isinstance(found, SiteError):
            faults.append(rules.fault(seats[position], run.round, found))
        elif found is not None:
            published[seats[position].site] = found

    calls = [(seat.site, lambda s=seat: look(s)) for seat in seats]
    await asking.in_order(calls, take, DOORS)
    differing = codings.compare(needs, published)
    faults += [rules.fault(seat, run.round, differing[seat.site]) for seat in seats if seat.site in differing]
    fitting = {site: columns for site, columns in published.items() if site not in differing}
    return Surveyed(tuple(faults), codings.remarks(needs, fitting))
