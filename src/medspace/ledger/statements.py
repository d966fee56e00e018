"""What one log says, found again by identity: its agreements, uses, admissions, releases, runs and members."""

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.ledger.kinds import pseudonym, topic
from medspace.ledger.model import Entry

PROVIDER, CONSUMER = "provider", "consumer"
_BEGUN = ("transfer.requested", "transfer.started")

# How far apart two honest clocks may be. Larger differences are reported as clock problems.
SKEW = timedelta(minutes=5)
FIRST, LAST = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"


def later(time: str, by: timedelta) -> str:
    """The stamp of an instant that is `by` later; the first or last instant there is where it lies beyond.

    Raises:
        ValueError: `time` is not a valid instant; the times of an entry always are (`kinds.FactType`).
    """
    try:
        moved = instant(time) + by
    except OverflowError:
        return LAST if by > timedelta() else FIRST
    return stamp(moved).zfill(len(LAST))  # strftime writes the year 1 as one digit on some systems


@dataclass(frozen=True, slots=True)
class LogLine:
    """An entry at its place in the log."""

    index: int
    entry: Entry

    @property
    def facts(self) -> JsonObject:
        """The facts of the entry."""
        return self.entry.facts

    @property
    def time(self) -> str:
        """When it happened, as the owner of the log claims."""
        return self.entry.time


@dataclass(slots=True)
class RecordedAgreement:
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
    since: LogLine | None = None
    final: LogLine | None = None
    ended: LogLine | None = None  # its holder's own word that nothing is admitted under it any more
    terminated: bool = False

    def add(self, line: LogLine) -> None:
        """Add one more entry of the negotiation."""
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

    def ended_before(self, index: int) -> bool:
        """Whether its holder had ended it at that place of the log."""
        return self.ended is not None and self.ended.index < index

    def expired(self, time: str) -> bool:
        """Whether it had expired at that time; False where the log does not say when it expires."""
        return self.expires is not None and time > self.expires


@dataclass(slots=True)
class RecordedTransfer:
    """One use's transfer process as a party recorded it."""

    lines: list[LogLine] = field(default_factory=list)

    @property
    def started(self) -> LogLine | None:
        """The entry that it was started by, for the first time."""
        return next((line for line in self.lines if line.entry.kind == "transfer.started"), None)

    def is_of(self, agreement: str, counterparty: str, kind: str) -> bool:
        """Whether every entry names that agreement, that party and that format."""
        wanted = (agreement, counterparty, kind)
        return all(
            (line.facts["agreement"], line.facts["counterparty"], line.facts["format"]) == wanted
            for line in self.lines
        )

    def open_at(self, index: int) -> bool:
        """Whether it had begun, and was neither suspended nor over, at that place of the log.

        The user can ask as soon as the start has reached it, and that it did is noted a little later: so a use is
        open before its first start is noted, and so is a suspended one that is started again next.
        """
        before = bisect(self.lines, index, key=lambda line: line.index)
        kinds = [line.entry.kind for line in self.lines[max(before - 1, 0) : before + 1]]
        return before > 0 and (kinds[0] in _BEGUN or kinds == ["transfer.suspended", "transfer.started"])


@dataclass(slots=True)
class RecordedRun:
    """One training run as its coordinator recorded it; an honest log has one start and at most one end of it.

    `sites` and `agreements` are those with which it began.
    """

    id: str
    sites: frozenset[str] = frozenset()
    agreements: frozenset[str] = frozenset()
    starts: list[LogLine] = field(default_factory=list)
    rounds: list[LogLine] = field(default_factory=list)
    ends: list[LogLine] = field(default_factory=list)

    @property
    def user(self) -> str:
        """Whose run it is, where another member handed it over to the owner of the log; "" else."""
        return str(self.facts.get("user", ""))

    @property
    def started(self) -> LogLine | None:
        """Its start."""
        return self.starts[0] if self.starts else None

    @property
    def finished(self) -> LogLine | None:
        """Its end with a model."""
        return next((line for line in self.ends if line.entry.kind == "run.finished"), None)

    @property
    def failed(self) -> bool:
        """Whether it ended without a model."""
        return any(line.entry.kind == "run.failed" for line in self.ends)

    @property
    def facts(self) -> JsonObject:
        """The facts of its start; empty where the log has none."""
        return self.starts[0].facts if self.starts else {}

    def lines(self) -> list[LogLine]:
        """Its entries as they must follow each other."""
        return [*self.starts, *self.rounds, *self.ends]


@dataclass(slots=True)
class RecordedDelegation:
    """One training run as its user recorded it that another member was to lead."""

    lines: list[LogLine] = field(default_factory=list)
    ends: list[LogLine] = field(default_factory=list)

    @property
    def received(self) -> LogLine | None:
        """Its end with a model."""
        return next((line for line in self.ends if line.entry.kind == "run.received"), None)


@dataclass(slots=True)
class Statements:
    """A log, indexed. Agreements are keyed by counterparty and id: two providers may have chosen the same id.

    `last_time` is that of its latest entry; `until` the instant up to which the log speaks: the same, or a later one
    at which it was certainly not exported yet.
    """

    origin: str
    until: str = ""
    last_time: str = ""
    negotiations: dict[str, RecordedAgreement] = field(default_factory=dict)
    agreements: dict[tuple[str, str], RecordedAgreement] = field(default_factory=dict)
    published: dict[str, list[LogLine]] = field(
        default_factory=dict
    )  # asset -> how it was offered, one after the other
    transfers: dict[str, RecordedTransfer] = field(default_factory=dict)  # by own pid
    peers: dict[str, str] = field(default_factory=dict)  # own pid of a transfer -> the pseudonym of its other side
    pids: dict[str, str] = field(default_factory=dict)  # the pseudonym of an own pid of a transfer -> that pid
    admissions: dict[str, LogLine] = field(default_factory=dict)
    releases: dict[str, LogLine] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)  # admissions whose output waited, or waits, for a person
    approved: dict[str, set[str]] = field(
        default_factory=dict
    )  # admission -> which actors let it go, before the last
    # Admission -> which actors had its output made anew, or had let it go before that.
    looked: dict[str, set[str]] = field(default_factory=dict)
    ends: dict[str, list[LogLine]] = field(default_factory=dict)  # admission -> what became of it
    repeated: list[LogLine] = field(default_factory=list)  # admissions and releases whose identity was taken
    runs: dict[str, RecordedRun] = field(default_factory=dict)
    delegations: dict[str, RecordedDelegation] = field(default_factory=dict)  # by run
    members: list[LogLine] = field(default_factory=list)  # admitted, removed, lists published: an authority's log
    budgets: list[LogLine] = field(default_factory=list)  # limits, debits, refunds and periods, as they follow
    others: list[LogLine] = field(
        default_factory=list
    )  # of kinds that features added: they may look at them (`Beside`)
    left_out: int = 0  # entries that this program cannot read

    def is_use(self, use: str, transfer: str) -> bool:
        """Whether a pid is that of a use of this log, or of its other side."""
        return transfer == use or self.peers.get(use) == pseudonym(transfer)

    def content(self, admission: LogLine) -> str | None:
        """The digest of the content that an asset had when its use was admitted; None where the log does not say."""
        before = [line for line in self.published.get(admission.facts["asset"], ()) if line.index < admission.index]
        return before[-1].facts.get("dataset") if before else None

    def ends_before(self, time: str) -> bool:
        """Whether the log stops before that time, so that its silence proves nothing."""
        return self.until < time


def read(origin: str, lines: Iterable[LogLine], until: str = "") -> Statements:
    """Index a log that was not exported before `until`."""
    statements = Statements(origin, until)
    for line in lines:
        statements.last_time = max(statements.last_time, line.time)
        _READERS.get(topic(line.entry.kind), _other)(statements, line)
    statements.until = max(statements.until, statements.last_time)
    return statements


def _other(statements: Statements, line: LogLine) -> None:
    statements.others.append(line)


def _offer(statements: Statements, line: LogLine) -> None:
    if line.entry.kind == "offer.published":
        statements.published.setdefault(line.facts["asset"], []).append(line)


def _negotiation(statements: Statements, line: LogLine) -> None:
    facts = line.facts
    pid = facts["pid"]
    if line.entry.kind == "negotiation.approved":  # moves nothing: the yes of another actor does
        return
    if pid not in statements.negotiations:
        statements.negotiations[pid] = RecordedAgreement(pid, facts["counterparty"], facts["role"])
    agreement = statements.negotiations[pid]
    agreement.add(line)
    if agreement.id is not None:
        first = statements.agreements.setdefault((agreement.counterparty, agreement.id), agreement)
        first.digests |= agreement.digests  # one id for two agreements shows as two texts


def _agreement(statements: Statements, line: LogLine) -> None:
    """Its holder ends it; of an agreement that the log does not know nothing can be admitted either."""
    key = line.facts["counterparty"], line.facts["agreement"]
    agreement = statements.agreements.get(key)
    if agreement is not None:
        agreement.ended = agreement.ended or line


def _transfer(statements: Statements, line: LogLine) -> None:
    if "pid" not in line.facts:
        return
    statements.transfers.setdefault(line.facts["pid"], RecordedTransfer()).lines.append(line)
    statements.pids[pseudonym(line.facts["pid"])] = line.facts["pid"]
    if "peer_pid" in line.facts:
        statements.peers[line.facts["pid"]] = pseudonym(line.facts["peer_pid"])


def _use(statements: Statements, line: LogLine) -> None:
    kind = line.entry.kind
    if kind == "use.admitted":
        _keep(statements, statements.admissions, line.facts["admission"], line)
        return
    if kind == "use.held":
        statements.held.add(line.facts["admission"])
        return
    if kind == "use.approved":
        statements.approved.setdefault(line.facts["admission"], set()).add(line.facts["by"])
        return
    if kind == "use.changed":  # who had let it go before looks at it again
        changed = line.facts["admission"]
        statements.looked.setdefault(changed, set()).update(statements.approved.pop(changed, ()), {line.facts["by"]})
        return
    if kind == "use.released":
        _keep(statements, statements.releases, line.facts["release"], line)
    if "admission" in line.facts:
        statements.ends.setdefault(line.facts["admission"], []).append(line)


def _keep(statements: Statements, lines: dict[str, LogLine], identity: str, line: LogLine) -> None:
    if lines.setdefault(identity, line) is not line:
        statements.repeated.append(line)


def _run(statements: Statements, line: LogLine) -> None:
    if _delegated(statements, line):
        return
    run = statements.runs.setdefault(line.facts["run"], RecordedRun(line.facts["run"]))
    if line.entry.kind == "run.started":
        if not run.starts:
            run.sites, run.agreements = frozenset(line.facts["sites"]), frozenset(line.facts["agreements"])
        run.starts.append(line)
    elif line.entry.kind == "run.round":
        run.rounds.append(line)
    else:
        run.ends.append(line)


def _delegated(statements: Statements, line: LogLine) -> bool:
    """Whether an entry is about a run that another member leads; so is the failure of one that was delegated."""
    kind, run = line.entry.kind, line.facts["run"]
    if kind not in ("run.delegated", "run.received") and (run not in statements.delegations or kind != "run.failed"):
        return False
    delegation = statements.delegations.setdefault(run, RecordedDelegation())
    (delegation.lines if kind == "run.delegated" else delegation.ends).append(line)
    return True


def _member(statements: Statements, line: LogLine) -> None:
    statements.members.append(line)


def _own(_: Statements, __: LogLine) -> None:
    """A participant's own word on its labels, limits, sites, keys and tokens; no other log says anything of it."""


def _budget(statements: Statements, line: LogLine) -> None:
    statements.budgets.append(line)


_READERS = {
    "offer": _offer,
    "label": _own,
    "sites": _own,
    "questions": _own,
    "key": _own,
    "token": _own,
    "budget": _budget,
    "negotiation": _negotiation,
    "agreement": _agreement,
    "transfer": _transfer,
    "use": _use,
    "run": _run,
    "member": _member,
    "members": _member,
}
