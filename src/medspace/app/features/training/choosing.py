"""What a training can be made of: agreements to train under, the columns that all their hospitals have, purposes.

What hospitals publish is untrusted text: it is read with the bounds of `runs.codings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from medspace.app.doors.views import Speak
from medspace.app.features.training.service import Training
from medspace.app.node.node import Node
from medspace.connector.model import AGREEMENTS, Agreement
from medspace.connector.negotiation.rules import in_force
from medspace.core.canonical import JsonObject
from medspace.core.paging import newest
from medspace.core.store import Transaction
from medspace.core.text import Fact, Text, msgid
from medspace.learning.model import KIND
from medspace.policy import odrl
from medspace.policy.limits import last_end
from medspace.policy.model import Policy, UseRequest
from medspace.policy.points import Point
from medspace.policy.purposes import VOCABULARY
from medspace.policy.rules import decide
from medspace.runs import codings
from medspace.runs.codings import Columns, Described
from medspace.runs.errors import CodingDiffersError
from medspace.runs.model import Seat
from medspace.runs.ports import Need

MOST_AGREEMENTS = 1_000  # the newest that are looked at
MOST_COLUMNS = 500  # that are shown, and as many that are left out
MOST_LEVELS = 100  # of a column, as a task may have them
LONGEST = 500  # characters of a text
YES_OR_NO = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class SharedColumns:
    """The columns that all sites have alike, and why others are left out."""

    columns: tuple[Described, ...]
    left_out: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Choosing:
    """What people choose from before they train."""

    node: Node
    training: Training

    async def agreements(self) -> list[JsonObject]:
        """The agreements in force to train under, the newest with each holder on each dataset."""
        where = {"consumer": self.node.did}
        found = await newest(self.node.database, AGREEMENTS, where, None, MOST_AGREEMENTS, by="finalized")
        names, chosen = self.node.names(), dict[tuple[str, str], JsonObject]()
        for one in found:
            if (one.provider, one.dataset) not in chosen and self._trains(one):
                chosen[one.provider, one.dataset] = self._agreement(one, names)
        return list(chosen.values())

    def _trains(self, one: Agreement) -> bool:
        now, region = self.node.clock.now(), self.node.region(one.consumer)
        return in_force(one, now, region) and self._allowed(one, odrl.parse(one.policy), None)

    def _allowed(self, one: Agreement, policy: Policy, purpose: str | None) -> bool:
        request = UseRequest(
            action=KIND,
            purpose=purpose,
            assignee=one.consumer,
            region=self.node.region(one.consumer),
            time=self.node.clock.now(),
            target=one.dataset,
            roles=self.node.roles(one.consumer),
        )
        return decide(policy, request, Point.NEGOTIATION).permitted

    def _agreement(self, one: Agreement, names: Mapping[str, str]) -> JsonObject:
        end = last_end(odrl.parse(one.policy))
        return {
            "id": one.id,
            "site": one.provider,
            "name": names.get(one.provider, one.provider),
            "dataset": one.dataset,
            "until": None if end is None else end.isoformat(),
        }

    async def columns(self, agreements: Sequence[str], speak: Speak) -> JsonObject:
        """What can be chosen under these agreements: columns, outcomes and purposes.

        Raises:
            UnknownAgreementError: one of them is not ours as consumer.
        """
        seats, published = await self.training.surveyed(agreements)
        read, problems = _read(published)
        found = shared(read)
        purposes = await self.node.database.read(lambda tx: self._purposes(tx, seats))
        names = self.node.names()
        silent = [seat.site for seat in seats if seat.site not in read]
        return {
            "columns": [shown(one) for one in found.columns],
            "outcomes": outcomes([one for site, one in published.items() if site in read]),
            "left_out": [{"name": name, "sentence": why.render(speak)} for name, why in found.left_out],
            "purposes": [
                {"name": one.name, "sentence": speak(one.words)} for one in VOCABULARY if one.name in purposes
            ],
            "silent": [{"site": site, "name": names.get(site, site)} for site in silent],
            "problems": [error.text.render(speak) for error in problems],
        }

    def _purposes(self, tx: Transaction, seats: Sequence[Seat]) -> set[str]:
        made = [one for seat in seats if (one := tx.get(AGREEMENTS, seat.agreement)) is not None]
        policies = [(one, odrl.parse(one.policy)) for one in made]
        return {
            purpose.name
            for purpose in VOCABULARY
            if all(self._allowed(one, policy, purpose.name) for one, policy in policies)
        }


def _read(published: Mapping[str, JsonObject]) -> tuple[dict[str, Columns], list[CodingDiffersError]]:
    found, problems = dict[str, Columns](), list[CodingDiffersError]()
    for site, dictionary in published.items():
        try:
            found[site] = codings.read(site, dictionary)
        except CodingDiffersError as error:
            problems.append(error)
    return found, problems


def shared(published: Mapping[str, Columns]) -> SharedColumns:
    """The columns that all of these sites have alike, in the order of the first one."""
    columns, left_out = list[Described](), list[tuple[str, Text]]()
    for name in dict.fromkeys(name for found in published.values() for name in found):
        made, why = _one(name, published)
        if made is not None and len(columns) < MOST_COLUMNS:
            columns.append(made)
        elif why is not None and len(left_out) < MOST_COLUMNS:
            left_out.append((name, why))
    return SharedColumns(tuple(columns), tuple(left_out))


def _one(name: str, published: Mapping[str, Columns]) -> tuple[Described | None, Text | None]:
    """A column as all have it; or why it is none that can be chosen."""
    lacking = [site for site, columns in published.items() if name not in columns]
    if lacking:
        facts: dict[str, Fact | Text] = {"sites": ", ".join(lacking[: codings.MOST_WORDS]), "count": len(lacking)}
        return None, Text(msgid("it is missing at {sites} ({count} in all)"), facts)
    theirs = [columns[name] for columns in published.values()]
    if any(one.coded for one in theirs) and any(one.only_numbers for one in theirs):
        return None, Text(msgid("it holds codes at some hospitals and numbers at others"))
    coded = any(one.coded for one in theirs)
    levels = _levels(theirs) if coded else {}
    need = Need(name, tuple(levels))
    differing = codings.compare([need], published)
    if differing:
        return None, Text("{reason}", {"reason": next(iter(differing.values())).facts["reason"]})
    if coded and not 1 < len(levels) <= MOST_LEVELS:
        return None, Text(msgid("it has too few codes to compare, or too many"))
    low, high = _ends(theirs)
    kind = "code" if coded else theirs[0].type
    return msgspec.structs.replace(theirs[0], type=kind, codes=levels, minimum=low, maximum=high), None


def _ends(theirs: Sequence[Described]) -> tuple[str | None, str | None]:
    """The least and the largest number that any of them has, as they are written; None where one does not say."""
    spans = codings.spans({str(place): one for place, one in enumerate(theirs)})
    if len(spans) < len(theirs):
        return None, None
    least = min(spans, key=lambda place: spans[place][0])
    most = max(spans, key=lambda place: spans[place][1])
    return theirs[int(least)].minimum, theirs[int(most)].maximum


def _levels(theirs: Sequence[Described]) -> dict[str, str]:
    """The codes that any of them has, each with the first meaning that one states."""
    found: dict[str, str] = {}
    for one in theirs:
        for code, means in one.codes.items():
            if code not in one.missing and not found.get(code):
                found[code] = means[:LONGEST]
    return found


def shown(one: Described) -> JsonObject:
    """A column as a form and the API show it; `binary`: it holds 0 and 1 only, at all sites."""
    said: JsonObject = {"name": one.name, "type": one.type, "unit": one.unit, "coded": one.coded}
    binary = one.type == "flag" or (
        one.type == "integer" and codings.spans({one.name: one}).get(one.name) == YES_OR_NO
    )
    return said | {"levels": dict(one.codes), "minimum": one.minimum, "maximum": one.maximum, "binary": binary}


def outcomes(published: Sequence[JsonObject]) -> list[str]:
    """The yes/no outcomes that all of these dictionaries declare."""
    declared = [list(_declared(one)) for one in published]
    return [one for one in (declared[0] if declared else ()) if all(one in other for other in declared)]


def _declared(dictionary: JsonObject) -> Iterator[str]:
    said = dictionary.get("outcomes")
    for one in said[:MOST_COLUMNS] if isinstance(said, list) else ():
        if isinstance(one, str) and len(one) <= LONGEST:
            yield one
