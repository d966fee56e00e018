"""Check exported logs, offline: is each log what its member signed, and do the logs agree with each other?

What a verified report proves: nobody has changed, dropped or reordered an entry since the checkpoint was signed, and
the parties' signed accounts of agreements, releases and runs agree with each other. What it cannot prove: that
parties who write the same lie into both their logs did not lie; and what a missing log would have said. Such
things are reported as unverifiable, never as verified; what was still in progress is open. Times are what the logs'
owners claim.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from medspace.core.clock import instant, stamp
from medspace.core.errors import MedspaceError
from medspace.core.text import msgid
from medspace.ledger import budgets, crosscheck, masked, membership, note, questions, statements
from medspace.ledger.bundle import FORMAT, Bundle
from medspace.ledger.entry_proof import EntryProof
from medspace.ledger.errors import MalformedEntryError, MalformedNoteError, UnknownEntryKindError
from medspace.ledger.membership import MembersList
from medspace.ledger.merkle import Tree, leaf_hash
from medspace.ledger.model import Checkpoint, decode
from medspace.ledger.note import SignedNote
from medspace.ledger.questions import ShownQuestions
from medspace.ledger.report import (
    ENTRIES,
    HISTORY,
    INCLUDED,
    MEMBERS,
    MEMBERSHIP,
    ROOT,
    SIGNATURE,
    TIME,
    AuditFinding,
    AuditOutcome,
    LogPosition,
    Report,
    summarise,
)
from medspace.ledger.statements import SKEW, LogLine, Statements

# Reads a members list: (signed text, public key of the authority) -> what it says. It raises a MedspaceError for a
# list that the authority did not sign. This room must not import trust, so the reader is passed in.
ListReader: TypeAlias = Callable[[str, bytes], MembersList]

# Compares what somebody shows with the proven logs, by origin: from rooms above, which know what was computed.
Beside: TypeAlias = Callable[[Mapping[str, Statements]], Iterable[AuditFinding]]

# Units of work take the time before they queue for the log, so neighbouring entries may be in reverse order.
TOLERANCE = timedelta(seconds=10)

LIST_AHEAD = msgid(
    "The members list is dated {time}, and the clock of this computer says {now}: one of the two clocks is wrong."
)
ENTRY_AHEAD = msgid(
    "The entry is dated {time}, and the clock of this computer says {now}: one of the two clocks is wrong."
)


@dataclass(slots=True)
class _Log:
    bundle: Bundle
    findings: list[AuditFinding] = field(default_factory=list)
    listed: MembersList | None = None
    key: bytes | None = None
    state: Checkpoint | None = None
    tree: Tree | None = None
    proven: bool = False  # its entries are what its member signed, and the member signed nothing else
    lines: list[LogLine] = field(default_factory=list)

    @property
    def place(self) -> LogPosition:
        return LogPosition(self.bundle.origin)


def verify(
    bundles: Sequence[Bundle],
    authority_key: bytes,
    now: datetime,
    read_list: ListReader,
    seen: Sequence[str] = (),
    shown: Sequence[ShownQuestions] = (),
    beside: Sequence[Beside] = (),
) -> Report:
    """Check logs by themselves and against each other.

    `authority_key` is the 32-byte public key of the space's authority, `seen` are signed checkpoints
    from elsewhere (kept from an earlier audit, from another member): a log that contradicts them is detected.
    `shown` are the questions that holders show of those that their logs admitted. `beside` are further checks:
    each compares something with what the proven logs say.
    """
    logs = [_Log(bundle) for bundle in bundles]
    for log in logs:
        _read_list(log, authority_key, now, read_list)
    lists = _distinct([log.listed for log in logs if log.listed is not None])
    for log in logs:
        _check_keys(log, lists)
        _check_signature(log)
        _check_root(log)
    for log in logs:
        _check_history(log, logs, seen)
        log.proven = log.tree is not None and not any(one.outcome is AuditOutcome.FAILED for one in log.findings)
        if log.proven:
            _check_entries(log, now)
    proven = _longest(logs)
    read = {log.bundle.origin: _read(log) for log in proven}
    for log in logs:
        _check_membership(log, lists, read)
    findings = [finding for log in logs for finding in log.findings]
    findings += crosscheck.compare(read)
    books = budgets.books(read, membership.signed(lists, read))
    findings += budgets.check(books)
    findings += [finding for one in read.values() for finding in questions.check(one, shown)]
    findings += questions.without_log(shown, list(read))
    findings += [finding for look in beside for finding in look(read)]
    counted = [questions.count(one, shown) for one in read.values() if one.admissions]
    entries = sum(len(log.bundle.entries) for log in proven)
    spent = [spent for book in books for spent in budgets.count(book)]
    return summarise(findings, read, entries, counted, masked.accusations(read), spent)


def verify_entries(
    proofs: Sequence[EntryProof], authority_key: bytes, now: datetime, read_list: ListReader
) -> Report:
    """Check entries that are shown by themselves: each is in the log that its owner signed; no more is proven."""
    logs = [
        _Log(Bundle(format=FORMAT, origin=one.origin, checkpoint=one.checkpoint, members=one.members, entries=()))
        for one in proofs
    ]
    for log in logs:
        _read_list(log, authority_key, now, read_list)
    lists = _distinct([log.listed for log in logs if log.listed is not None])
    for log, proof in zip(logs, proofs, strict=True):
        _check_keys(log, lists)
        _check_signature(log)
        log.findings += _included(log, proof)
    findings = [finding for log in logs for finding in log.findings]
    whole = [log for log in logs if all(one.outcome is AuditOutcome.VERIFIED for one in log.findings)]
    return summarise(findings, {log.bundle.origin for log in whole}, len(whole))


def _included(log: _Log, proof: EntryProof) -> Iterator[AuditFinding]:
    place = LogPosition(proof.origin, proof.index)
    line = _line(proof.origin, proof.index, proof.entry)
    yield line if isinstance(line, AuditFinding) else _wrong_actor(place, line) or ENTRIES.verified(place)
    if log.state is not None:
        sentence = msgid(
            "The entry is not in the log that the checkpoint signs: it, its place or its path was changed."
        )
        leads = proof.leads_to(log.state.size, log.state.root)
        yield INCLUDED.verified(place) if leads else INCLUDED.failed(place, "wrong_root", sentence)


def readable(bundle: Bundle) -> Statements:
    """What a log says, unproven; entries that cannot be read are left out, and counted."""
    left_out = 0

    def lines() -> Iterator[LogLine]:
        nonlocal left_out
        for line in _lines(bundle):
            if isinstance(line, LogLine):
                yield line
            else:
                left_out += 1

    said = statements.read(bundle.origin, lines())
    said.left_out = left_out
    return said


def _longest(logs: Sequence[_Log]) -> list[_Log]:
    # Of two proven bundles of one log the longer says all that the shorter says: its history was checked.
    best: dict[str, _Log] = {}
    for log in logs:
        held = best.get(log.bundle.origin)
        if log.proven and (held is None or len(held.bundle.entries) < len(log.bundle.entries)):
            best[log.bundle.origin] = log
    return list(best.values())


def _read(log: _Log) -> Statements:
    # A log was not exported before the list that lies with it was issued, as far as the clocks agree.
    issued = stamp(log.listed.issued - SKEW) if log.listed else ""
    return statements.read(log.bundle.origin, log.lines, issued)


def _distinct(lists: Sequence[MembersList]) -> list[MembersList]:
    return list({one.text: one for one in lists}.values())


def _read_list(log: _Log, authority_key: bytes, now: datetime, read_list: ListReader) -> None:
    try:
        listed = read_list(log.bundle.members, authority_key)
    except MedspaceError as error:
        sentence = msgid("The members list in this bundle cannot be trusted: {reason} {advice}")
        log.findings.append(MEMBERS.failed(log.place, error.code, sentence, reason=error.text, advice=error.advice))
        return
    log.listed = listed
    if listed.issued > now + SKEW:
        times = {"time": stamp(listed.issued), "now": stamp(now)}
        log.findings.append(MEMBERS.unverifiable(log.place, "clock", LIST_AHEAD, **times))
    else:
        log.findings.append(MEMBERS.verified(log.place))


def _check_keys(log: _Log, lists: Sequence[MembersList]) -> None:
    if log.listed is None:
        return
    log.findings += membership.contradictions(log.listed, lists, log.place)
    log.key = log.listed.keys.get(log.bundle.origin)
    if log.key is None:
        sentence = msgid("The members list names no member {origin}.")
        log.findings.append(SIGNATURE.failed(log.place, "no_member", sentence, origin=log.bundle.origin))


def _check_membership(log: _Log, lists: Sequence[MembersList], read: dict[str, Statements]) -> None:
    if log.listed is None:
        return
    issuer = log.listed.issuer
    authority, mine = read.get(issuer), read.get(log.bundle.origin)
    if authority is not None:
        log.findings += membership.not_published(log.listed, authority, log.place)
    if not log.proven or log.key is None or mine is None:
        return
    log.findings += membership.replaced_key(mine, log.key, lists)
    if log.bundle.origin == issuer:
        log.findings.append(MEMBERSHIP.verified(log.place))
    else:
        since = membership.standings(log.bundle.origin, lists, authority)
        log.findings += membership.check(mine, log.lines, since)


def _check_signature(log: _Log) -> None:
    if log.key is None:
        return
    try:
        signed = note.parse(log.bundle.checkpoint)
        state = note.read_checkpoint(signed.text)
    except MalformedNoteError as error:
        sentence = msgid("The checkpoint cannot be read: {reason}")
        log.findings.append(SIGNATURE.failed(log.place, "malformed", sentence, reason=error.text))
        return
    if state.origin != log.bundle.origin or not signed.signed_by(log.bundle.origin, log.key):
        sentence = msgid("The checkpoint is not signed by the key of {origin}.")
        log.findings.append(SIGNATURE.failed(log.place, "wrong_key", sentence, origin=log.bundle.origin))
        return
    log.findings.append(SIGNATURE.verified(log.place))
    log.state = state


def _check_root(log: _Log) -> None:
    if log.state is None:
        return
    entries = log.bundle.entries
    if len(entries) != log.state.size:
        sentence = msgid("The checkpoint signs {size} entries, and there are {count}.")
        log.findings.append(
            ROOT.failed(log.place, "wrong_size", sentence, size=log.state.size, count=len(entries)),
        )
        return
    tree = Tree(leaf_hash(entry.encode(errors="replace")) for entry in entries)
    if tree.root(log.state.size) != log.state.root:
        sentence = msgid("The entries are not those that the checkpoint signs: one was changed, swapped or replaced.")
        log.findings.append(ROOT.failed(log.place, "wrong_root", sentence))
        return
    log.findings.append(ROOT.verified(log.place))
    log.tree = tree


def _check_history(log: _Log, logs: Sequence[_Log], seen: Sequence[str]) -> None:
    if log.tree is None or log.key is None:
        return
    for text in log.bundle.earlier:
        log.findings.append(_compare_earlier(log, log.tree, text))
    for text in seen:
        state = _signed_state(log, text)
        if state is not None:
            log.findings.append(_compare_state(log, log.tree, state))
    for other in logs:
        if other is not log and other.bundle.origin == log.bundle.origin and other.state is not None:
            log.findings.append(_compare_twin(log, log.tree, other.tree, other.state))


def _compare_earlier(log: _Log, tree: Tree, text: str) -> AuditFinding:
    state = _signed_state(log, text)
    if state is None:
        return HISTORY.failed(log.place, "not_signed", msgid("An earlier checkpoint is not signed by this member."))
    return _compare_state(log, tree, state)


def _signed_state(log: _Log, text: str) -> Checkpoint | None:
    # The checkpoint of this very log that a text holds, if it is signed by its key.
    try:
        signed: SignedNote = note.parse(text)
        state = note.read_checkpoint(signed.text)
    except MalformedNoteError:
        return None
    mine = state.origin == log.bundle.origin and log.key is not None
    return state if mine and signed.signed_by(state.origin, log.key or b"") else None


def _compare_twin(log: _Log, mine: Tree, theirs: Tree | None, state: Checkpoint) -> AuditFinding:
    # Two bundles of one log: the longer must begin with the shorter, and both are spoiled if it does not.
    if theirs is not None and theirs.size > mine.size:
        return _compare_state(log, theirs, Checkpoint(state.origin, mine.size, mine.root(mine.size)))
    return _compare_state(log, mine, state)


def _compare_state(log: _Log, tree: Tree, state: Checkpoint) -> AuditFinding:
    if state.size > tree.size:
        sentence = msgid(
            "This member has signed {size} entries before, and this log has {count}: it is old or cut off."
        )
        return HISTORY.failed(log.place, "cut_off", sentence, size=state.size, count=tree.size)
    if tree.root(state.size) != state.root:
        sentence = msgid("This member has signed two different logs of {size} entries: it shows a split view.")
        return HISTORY.failed(log.place, "split_view", sentence, size=state.size)
    return HISTORY.verified(log.place)


def _lines(bundle: Bundle) -> Iterator[LogLine | AuditFinding]:
    return (_line(bundle.origin, index, text) for index, text in enumerate(bundle.entries))


def _line(origin: str, index: int, text: str) -> LogLine | AuditFinding:
    try:
        return LogLine(index, decode(text.encode(errors="replace")))
    except UnknownEntryKindError as error:
        return ENTRIES.unverifiable(LogPosition(origin, index), "unknown_kind", error.sentence, **error.facts)
    except MalformedEntryError as error:
        sentence = msgid("The entry is not allowed in a log: {reason}")
        return ENTRIES.failed(LogPosition(origin, index), "malformed", sentence, reason=error.text)


def _check_entries(log: _Log, now: datetime) -> None:
    # What is verified is only counted, so a million valid entries share two findings.
    known, in_time = ENTRIES.verified(log.place), TIME.verified(log.place)
    latest = ""
    for read in _lines(log.bundle):
        if isinstance(read, AuditFinding):
            log.findings.append(read)
            continue
        place = LogPosition(log.bundle.origin, read.index)
        log.findings.append(_wrong_actor(place, read) or known)
        log.findings.append(_wrong_time(place, read.time, latest) or in_time)
        latest = max(latest, read.time)
        log.lines.append(read)
    log.findings += _empty(log)
    log.findings += _ahead(log, latest, now)


def _empty(log: _Log) -> Iterator[AuditFinding]:
    if not log.bundle.entries:
        sentence = msgid("The log holds no entry, so nothing can be checked in it.")
        yield ENTRIES.unverifiable(log.place, "empty", sentence)


def _ahead(log: _Log, latest: str, now: datetime) -> Iterator[AuditFinding]:
    # Of many entries from the future only the latest is named: it shows how far apart the two clocks are at least.
    if latest > stamp(now + SKEW):
        place = LogPosition(log.bundle.origin, next(line.index for line in log.lines if line.time == latest))
        yield TIME.unverifiable(place, "clock", ENTRY_AHEAD, time=latest, now=stamp(now))


def _wrong_actor(place: LogPosition, line: LogLine) -> AuditFinding | None:
    # A process has two parties, and either moves it; whatever else a log notes, its own member did.
    if line.entry.actor in (place.origin, line.facts.get("counterparty")):
        return None
    return ENTRIES.failed(place, "actor", msgid("The entry names an actor who has no part in it."))


def _wrong_time(place: LogPosition, time: str, latest: str) -> AuditFinding | None:
    if latest and time < latest and instant(latest) - instant(time) > TOLERANCE:
        sentence = msgid("The entry is dated {time}, and one before it {latest}.")
        return TIME.unverifiable(place, "backwards", sentence, time=time, latest=latest)  # a clock was set back
    return None
