"""What one log says, found again by identity: its agreements, admissions, releases and runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from medspace.core.canonical import JsonObject
from medspace.ledger.model import Entry

PROVIDER, CONSUMER = "provider", "consumer"


@dataclass(frozen=True, slots=True)
class Line:
    """An entry at its place in the log."""

    index: int
    entry: Entry

    @property
    def facts(self) -> JsonObject:
        """The facts of the entry."""
        return self.entry.facts


@dataclass(slots=True)
class Agreement:
    """One negotiation as a party recorded it, as far as an agreement was reached.

    `digests` are all the texts that it recorded for it: honest logs have one. `since` is the first entry that
    names the agreement, `final` the one that finished the negotiation.
    """

    pid: str
    counterparty: str
    role: str
    id: str | None = None
    digests: set[str] = field(default_factory=set)
    expires: str | None = None
    assets: set[str] = field(default_factory=set)
    since: Line | None = None
    final: Line | None = None
    terminated: bool = False

    def add(self, line: Line) -> None:
        """Take in one more entry of the negotiation."""
        facts = line.facts
        if "agreement" in facts:
            self.id = self.id or facts["agreement"]
            self.since = self.since or line
        if "agreement_digest" in facts:
            self.digests.add(facts["agreement_digest"])
        if "asset" in facts:
            self.assets.add(facts["asset"])
        self.expires = facts.get("expires", self.expires)
        self.terminated |= line.entry.kind == "negotiation.terminated"
        if line.entry.kind == "negotiation.finalized":
            self.final = self.final or line

    def expired(self, time: str) -> bool:
        """Whether it had expired at that time; False where the log does not say when it expires."""
        return self.expires is not None and time > self.expires


@dataclass(slots=True)
class Run:
    """One training run as its coordinator recorded it."""

    id: str
    started: Line | None = None
    rounds: list[Line] = field(default_factory=list)
    finished: Line | None = None
    failed: bool = False

    @property
    def facts(self) -> JsonObject:
        """The facts of its start; empty where the log has none."""
        return self.started.facts if self.started else {}


@dataclass(slots=True)
class Statements:
    """A log, indexed. Agreements stand under counterparty and id: two providers may have chosen the same id."""

    origin: str
    last_time: str = ""
    negotiations: dict[str, Agreement] = field(default_factory=dict)
    agreements: dict[tuple[str, str], Agreement] = field(default_factory=dict)
    published: dict[str, list[Line]] = field(default_factory=dict)  # asset -> how it was offered, one after the other
    transfers: dict[str, str] = field(default_factory=dict)  # own pid -> the other party's
    admissions: dict[str, Line] = field(default_factory=dict)
    releases: dict[str, Line] = field(default_factory=dict)
    repeated: list[Line] = field(default_factory=list)  # admissions and releases whose identity was taken
    runs: dict[str, Run] = field(default_factory=dict)

    def content(self, admission: Line) -> str | None:
        """The digest of the content that an asset had when its use was admitted; None where the log does not say."""
        before = [line for line in self.published.get(admission.facts["asset"], ()) if line.index < admission.index]
        return before[-1].facts.get("dataset") if before else None

    def ends_before(self, time: str) -> bool:
        """Whether the log stops before that time, so that its silence proves nothing."""
        return self.last_time < time


def read(origin: str, lines: Iterable[Line]) -> Statements:
    """Index a log."""
    statements = Statements(origin)
    for line in lines:
        statements.last_time = max(statements.last_time, line.entry.time)
        topic, _, _ = line.entry.kind.partition(".")
        if topic in _READERS:
            _READERS[topic](statements, line)
    return statements


def _offer(statements: Statements, line: Line) -> None:
    if line.entry.kind == "offer.published":
        statements.published.setdefault(line.facts["asset"], []).append(line)


def _negotiation(statements: Statements, line: Line) -> None:
    facts = line.facts
    pid = facts["pid"]
    if pid not in statements.negotiations:
        statements.negotiations[pid] = Agreement(pid, facts["counterparty"], facts["role"])
    agreement = statements.negotiations[pid]
    agreement.add(line)
    if agreement.id is not None:
        first = statements.agreements.setdefault((agreement.counterparty, agreement.id), agreement)
        first.digests |= agreement.digests  # one id for two agreements shows as two texts


def _transfer(statements: Statements, line: Line) -> None:
    if "pid" in line.facts and "peer_pid" in line.facts:
        statements.transfers[line.facts["pid"]] = line.facts["peer_pid"]


def _use(statements: Statements, line: Line) -> None:
    if line.entry.kind == "use.admitted":
        _keep(statements, statements.admissions, line.facts["admission"], line)
    elif line.entry.kind == "use.released":
        _keep(statements, statements.releases, line.facts["release"], line)


def _keep(statements: Statements, lines: dict[str, Line], identity: str, line: Line) -> None:
    if lines.setdefault(identity, line) is not line:
        statements.repeated.append(line)


def _run(statements: Statements, line: Line) -> None:
    run = statements.runs.setdefault(line.facts["run"], Run(line.facts["run"]))
    kind = line.entry.kind
    if kind == "run.started":
        run.started = run.started or line
    elif kind == "run.round":
        run.rounds.append(line)
    elif kind == "run.finished":
        run.finished = run.finished or line
    else:
        run.failed = True


_READERS = {"offer": _offer, "negotiation": _negotiation, "transfer": _transfer, "use": _use, "run": _run}
