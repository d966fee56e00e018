"""Who used a dataset, as its holder's log tells it: each use with agreement, purposes, what left, who acted."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from medspace.ledger.statements import LogLine, Statements


@dataclass(slots=True)
class DatasetUse:
    """One use of a dataset. `index` is the entry of its first question, `actors` who let answers go or not."""

    transfer: str
    asset: str
    user: str
    agreement: str
    kind: str
    first: str
    index: int
    last: str = ""
    coordinator: str = ""
    admitted: int = 0
    released: int = 0
    held_back: int = 0  # withheld, or failed
    purposes: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    actors: set[str] = field(default_factory=set)

    def add(self, admission: LogLine, log: Statements) -> None:
        """Count one more admitted question, with what became of it."""
        facts = admission.facts
        self.admitted += 1
        self.last = max(self.last, admission.time)
        self.coordinator = facts.get("coordinator", self.coordinator)
        self.purposes.add(facts["purpose"])
        self.runs |= {facts["run"]} if "run" in facts else set()
        for looked in (log.approved, log.looked):
            self.actors |= looked.get(facts["admission"], set())
        for end in log.ends.get(facts["admission"], ()):
            released = end.entry.kind == "use.released"
            self.released += released
            self.held_back += not released
            self.last = max(self.last, end.time)
            self.actors |= {end.facts["by"]} if "by" in end.facts else set()


def uses_of(log: Statements, asset: str = "") -> list[DatasetUse]:
    """The uses of one's own datasets, or of one of them; the latest first. As good as the log: audit that first."""
    found: dict[tuple[str, str], DatasetUse] = {}
    for admission in log.admissions.values():
        facts = admission.facts
        if asset in ("", facts["asset"]):
            named = facts["transfer"], facts["asset"]
            if named not in found:
                said = facts["user"], facts["agreement"], facts["use_kind"]
                found[named] = DatasetUse(*named, *said, admission.time, admission.index)
            found[named].add(admission, log)
    return sorted(found.values(), key=lambda use: (use.last, use.index), reverse=True)


@dataclass(frozen=True, slots=True)
class DatasetUser:
    """All uses of one participant: how many, under how many agreements, what it asked, and what left for it."""

    user: str
    uses: int
    agreements: tuple[str, ...]
    datasets: tuple[str, ...]
    purposes: tuple[str, ...]
    admitted: int
    released: int
    held_back: int
    first: str
    last: str


def users_of(uses: Iterable[DatasetUse]) -> list[DatasetUser]:
    """The participants behind these uses; the latest first."""
    found: dict[str, list[DatasetUse]] = {}
    for use in uses:
        found.setdefault(use.user, []).append(use)
    users = [
        DatasetUser(
            user=user,
            uses=len(theirs),
            agreements=tuple(sorted({use.agreement for use in theirs})),
            datasets=tuple(sorted({use.asset for use in theirs})),
            purposes=tuple(sorted({purpose for use in theirs for purpose in use.purposes})),
            admitted=sum(use.admitted for use in theirs),
            released=sum(use.released for use in theirs),
            held_back=sum(use.held_back for use in theirs),
            first=min(use.first for use in theirs),
            last=max(use.last for use in theirs),
        )
        for user, theirs in found.items()
    ]
    return sorted(users, key=lambda one: (one.last, one.user), reverse=True)
