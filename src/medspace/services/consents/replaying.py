"""Replay: every admission of a log against the consents as they were recorded then.

What is compared is what the log has committed to. A row that was used and left out of the tree cannot be found here.
The consents themselves are compared with the roots in the log too, so that none is put in, taken out or moved later.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from medspace.core.canonical import JsonObject
from medspace.core.clock import instant
from medspace.core.store import Transaction
from medspace.ledger.model import Entry
from medspace.policy.actions import action_of
from medspace.policy.consent.model import ConsentParty, seconds
from medspace.services.consents import commitments, decisions, editions, recording
from medspace.services.consents.model import COUNTED, EDITIONS, VERSIONS, ConsentEdition, CountedUse
from medspace.services.consents.register import Register

UNSTATED, UNKNOWN, OUTSIDE, UNREADABLE = "unstated", "unknown", "outside", "unreadable"
ALTERED = "altered"
PAGE = 5_000


@dataclass(frozen=True, slots=True)
class OutsideConsent:
    """An admission that was not inside consent, as far as its holder has stated whom it counts.

    `why`: `unstated` (it states nobody), `unknown` (the leaves that it states are not kept), `unreadable` (the kept
    ones are not those of the root), `outside` (it counts patients who had not consented). `altered` is an entry that
    states consents which are not those that are kept now; it names no use.
    """

    entry: int
    use: str
    dataset: str
    user: str
    time: str
    why: str


@dataclass(frozen=True, slots=True)
class _Moment:
    """What was known when something happened: how many versions, which edition, which time."""

    number: int
    edition: ConsentEdition
    now: int


@dataclass(slots=True)
class Replay:
    """Reads a log from its beginning; keeps how many consents and which editions there were by then.

    An admission is judged by the consents of its own moment, and again by those of each release.
    """

    tx: Transaction
    register: Register
    holder: str
    number: int = 0
    examined: int = 0
    _editions: dict[str, ConsentEdition] = field(default_factory=dict)
    _admitted: dict[str, tuple[int, Entry]] = field(default_factory=dict)
    _reported: set[int] = field(default_factory=set)

    def found(self, entries: Iterable[tuple[int, Entry]]) -> Iterator[OutsideConsent]:
        """The admissions that were not inside consent, each once."""
        self.register.follow(self.tx)
        for index, entry in entries:
            judged = self._followed(index, entry) or self._judged(index, entry)
            if judged is not None and judged.entry not in self._reported:
                self._reported.add(judged.entry)
                yield judged

    def _followed(self, index: int, entry: Entry) -> OutsideConsent | None:
        """Take in what an entry says of consents; a finding, where what is kept is something else."""
        if entry.kind == "consent.recorded":
            self.number = _whole(entry, "last")
            if self._altered(entry):
                return OutsideConsent(index, "", "", "", entry.time, ALTERED)
        elif entry.kind == "consent.edition":
            dataset = str(entry.facts["asset"])
            known = self.tx.get(EDITIONS, editions.identity(dataset, _whole(entry, "edition")))
            if known is not None:
                self._editions[dataset] = replace(known, upto=_whole(entry, "upto"))
        return None

    def _altered(self, entry: Entry) -> bool:
        """Whether the versions that are kept under the numbers of an entry are not those that it states."""
        versions, after = [], _whole(entry, "first") - 1
        while page := self.tx.find(VERSIONS, order_by="number", after=after, limit=PAGE):
            versions += [one for one in page if one.number <= self.number]
            after = page[-1].number
            if after >= self.number:
                break
        return recording.root(self.tx, versions) != str(entry.facts["root"])

    def _judged(self, index: int, entry: Entry) -> OutsideConsent | None:
        facts = entry.facts
        if entry.kind == "use.admitted" and str(facts["asset"]) in self._editions:
            self.examined += 1
            self._admitted[str(facts["admission"])] = (index, entry)
            return self._against(index, entry, entry, left=False)
        if entry.kind == "use.released" and str(facts["admission"]) in self._admitted:
            return self._against(*self._admitted[str(facts["admission"])], entry, left=True)
        return None

    def _against(self, index: int, admitted: Entry, at: Entry, *, left: bool) -> OutsideConsent | None:
        """An admission against the consents of the moment of an entry."""
        facts = admitted.facts
        edition = self._editions[str(facts["asset"])]
        why = self._why(admitted, _Moment(self.number, edition, seconds(instant(at.time))), left=left)
        use, dataset, user = (str(facts[name]) for name in ("transfer", "asset", "user"))
        return OutsideConsent(index, use, dataset, user, admitted.time, why) if why else None

    def _why(self, admitted: Entry, moment: _Moment, *, left: bool) -> str:
        facts = admitted.facts
        if "patients" not in facts:
            return UNSTATED
        kept = self.tx.get(COUNTED, f"{facts['transfer']} {facts['patients']}")
        if kept is None:
            return UNKNOWN if left else ""  # nothing was computed for it yet
        leaves = leaves_of(kept)
        if commitments.root(leaves) != facts["patients"] or len(leaves) != facts.get("leaves"):
            return UNREADABLE
        return OUTSIDE if self._outside(facts, moment, kept, set(leaves)) else ""

    def _outside(self, facts: JsonObject, moment: _Moment, kept: CountedUse, leaves: set[bytes]) -> bool:
        """Whether a leaf is that of a patient who had not consented then."""
        terms = moment.edition.terms
        parties = {ConsentParty.USER: str(facts["user"]), ConsentParty.HOLDER: self.holder}
        touched = None if kept.columns is None else frozenset(kept.columns)
        asked = editions.request(terms, str(facts["purpose"]), action_of(str(facts["use_kind"])), parties, touched)
        upto, after_death = moment.edition.upto, terms.after_death
        found = self.register.replayed(asked, moment.now, moment.number, upto, after_death=after_death)
        decided = decisions.allowed(self.tx, moment.edition, asked.purpose or "", moment.number)
        reached = found.with_decided(decided).patients
        salts = self.register.salts(self.tx, self.register.known() - reached)
        return any(commitments.leaf(salt, kept.use) in leaves for salt in salts if salt)


def _whole(entry: Entry, name: str) -> int:
    value = entry.facts[name]
    return value if isinstance(value, int) else 0


def leaves_of(kept: CountedUse) -> list[bytes]:
    """The leaves of what a use has stated, sorted."""
    raw = bytes.fromhex(kept.leaves)
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]
