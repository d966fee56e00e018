"""Replaying a masked run from the records that sites show: did each question follow from the sums before it?

A holder that lets an auditor look writes its records of one run into a file beside its bundle:

    {"format": "medspace-records-1", "origin": DID of the holder, "run": ..., "task": {...}, "records": [
        {"entry": index of its `use.released` in the log, "record": "..."}, ...]}

Each record is the text whose digest the log noted (`records.QuestionRecord`). The auditor computes nothing
in floating point that could differ on its machine: it checks, as every site did, that what was proposed follows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject, exact
from medspace.core.decoding import read_file
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest, digest_bytes
from medspace.core.text import Text, msgid
from medspace.ledger.masked import deviants
from medspace.ledger.report import FOLLOWED, NO_LOG, NO_TASK, RECORD, AuditFinding, LogPosition
from medspace.ledger.statements import LogLine, Statements
from medspace.runs.errors import RunError
from medspace.runs.masked import records
from medspace.runs.masked.errors import ProposalInvalidError, RecordsMalformedError
from medspace.runs.masked.grouping import checked, groups_of
from medspace.runs.masked.ports import State, Summed
from medspace.runs.masked.records import QuestionRecord

FORMAT: Literal["medspace-records-1"] = "medspace-records-1"
LARGEST_FILE = 512 * 1024 * 1024  # bytes
NOTHING: Mapping[str, JsonObject] = MappingProxyType({})
Logs = Mapping[str, Statements]
Read = Callable[[JsonObject], Summed | None]  # the task of a document; None of one that is not known here

NO_RELEASE = msgid("{site} shows a record of an entry that recorded nothing.")
NO_RECORD = msgid("What {site} shows is what its log noted, and that is not a record.")
CHANGED = msgid("{site} shows another record of question {question} than its log noted: it was changed or exchanged.")
OTHER_RUN = msgid("{site} shows a record of another run or task than its log noted.")
NOT_SHOWN = msgid("{site} does not show all records of the run {run} that its log noted.")
OTHER_RECORD = msgid("{site} recorded something else of question {question} than the others: {others}.")
OTHER_STATE = msgid("{site} recorded question {question} as if something else had come before it.")
NO_STATE = msgid("What {site} recorded of question {question} begins with a state that the task is never in.")
NOT_FOLLOWED = msgid("What {proposer} proposed after question {question} does not follow from the total: {reason}")
OTHER_FOLLOWING = msgid("{site} recorded another state after question {question} than follows from the total.")
WRONG_TOTAL = msgid("The total of question {question} that {site} recorded cannot be right: {reason}")
OTHER_OUTCOME = msgid("What the sites signed as the outcome is not what the last record of {site} leads to.")
NO_REASON = msgid("{proposer} ended the run at question {question}, and nothing in the total says why.")


class ShownRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record: `entry` is the index of its release in the holder's log."""

    entry: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    record: Annotated[str, msgspec.Meta(max_length=limits.RECORD)]


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records of one run that the holder `origin` shows."""

    format: Literal["medspace-records-1"]
    origin: Annotated[str, msgspec.Meta(max_length=256)]
    run: Annotated[str, msgspec.Meta(max_length=256)]
    task: JsonObject
    records: Annotated[tuple[ShownRecord, ...], msgspec.Meta(max_length=limits.ROUNDS)]


def read(content: bytes) -> Records:
    """The records that a file holds; nothing in it is proven yet.

    Raises:
        RecordsMalformedError: it holds something else, or is larger than any such file may be.
    """
    return read_file(content, Records, LARGEST_FILE, RecordsMalformedError)


@dataclass(frozen=True, slots=True)
class _ProvenRecord:
    """A record whose digest its holder's log noted, at that release."""

    site: str
    line: LogLine
    record: QuestionRecord

    @property
    def place(self) -> LogPosition:
        return LogPosition(self.site, self.line.index)


@dataclass(slots=True)
class _RunRecords:
    """One run: the records of each holder, by the number of the question."""

    task: JsonObject
    records: dict[str, dict[int, _ProvenRecord]] = field(default_factory=dict)


def check(
    shown: Sequence[Records], task: Read, logs: Logs, outcomes: Mapping[str, JsonObject] = NOTHING
) -> Iterator[AuditFinding]:
    """Each record that is shown: the one of the log, the same at all who show it, and followed by what followed.

    `outcomes` are those that sites signed, by run: the last question must lead to them.
    """
    tables: dict[tuple[str, str, str], _RunRecords] = {}  # by user, run, manifest
    for file in shown:
        log = logs.get(file.origin)
        if log is None:
            yield RECORD.unverifiable(LogPosition(file.origin), "no_log", NO_LOG, party=file.origin)
        else:
            yield from _noted(file, log, tables)
    for (_, run, _), table in tables.items():
        yield from _compared(table)
        summed = task(table.task)
        if summed is None:
            place = LogPosition(next(iter(table.records)))
            yield FOLLOWED.unverifiable(place, "no_task", NO_TASK, run=run)
        else:
            for chain in table.records.values():
                yield from _followed(summed, chain)
                if run in outcomes:
                    yield from _led_to(summed, chain, outcomes[run])


# -- what is shown, against the log of who shows it


def _noted(file: Records, log: Statements, tables: dict[tuple[str, str, str], _RunRecords]) -> Iterator[AuditFinding]:
    releases = {line.index: line for line in log.releases.values()}
    seen: set[int] = set()
    task = _digest(file.task)
    for one in file.records:
        release = releases.get(one.entry)
        admission = log.admissions.get(release.facts["admission"]) if release else None
        found = _proven(file, one, release, admission, task)
        if isinstance(found, AuditFinding):
            yield found
            continue
        if admission is not None and one.entry not in seen:
            facts = admission.facts
            run = (facts["user"], file.run, facts.get("manifest", ""))
            table = tables.setdefault(run, _RunRecords(file.task))
            table.records.setdefault(log.origin, {})[found.record.question] = found
            yield RECORD.verified(found.place)
        seen.add(one.entry)
    if _recorded(log, file.run) - seen:
        yield RECORD.unverifiable(LogPosition(log.origin), "not_shown", NOT_SHOWN, site=log.origin, run=file.run)


def _proven(
    file: Records, one: ShownRecord, release: LogLine | None, admission: LogLine | None, task: str
) -> _ProvenRecord | AuditFinding:
    site, place = file.origin, LogPosition(file.origin, one.entry)
    if release is None or admission is None or "record" not in release.facts:
        return RECORD.failed(place, "no_release", NO_RELEASE, site=site)
    record = _record(one.record)
    if digest_bytes(one.record.encode(errors="replace")) != release.facts["record"]:
        return RECORD.failed(place, "changed", CHANGED, site=site, question=record.question if record else "-")
    if record is None:
        return RECORD.failed(place, "malformed", NO_RECORD, site=site)
    if (admission.facts.get("run"), admission.facts["task"]) != (file.run, task):
        return RECORD.failed(place, "other_run", OTHER_RUN, site=site)
    return _ProvenRecord(site, release, record)


def _record(text: str) -> QuestionRecord | None:
    try:
        return records.read(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _recorded(log: Statements, run: str) -> set[int]:
    """The releases of a run of which something was recorded."""
    found = set()
    for line in log.releases.values():
        admission = log.admissions.get(line.facts["admission"])
        if "record" in line.facts and admission is not None and admission.facts.get("run") == run:
            found.add(line.index)
    return found


def _digest(value: JsonObject) -> str:
    try:
        return digest(exact(value))
    except (ValueError, RecursionError):  # nothing that was admitted has no canonical form
        return ""


# -- against one another


def _compared(table: _RunRecords) -> Iterator[AuditFinding]:
    for question in sorted({question for chain in table.records.values() for question in chain}):
        found = {site: chain[question] for site, chain in table.records.items() if question in chain}
        for site in sorted(deviants({site: one.record.content for site, one in found.items()})):
            others = ", ".join(sorted(other for other in found if other != site))
            facts = {"site": site, "others": others}
            yield RECORD.failed(found[site].place, "other_record", OTHER_RECORD, **facts, question=question)


# -- the arithmetic, again


def _followed(summed: Summed, chain: Mapping[int, _ProvenRecord]) -> Iterator[AuditFinding]:
    """Each question of one holder's records; behind a gap each is taken as it says that it began."""
    state, before = summed.first(), 0
    sites: int | None = 0
    for question, one in sorted(chain.items()):
        record = one.record
        if question != before + 1:
            sites = None  # how many were in the total before is not shown
        elif _digest(record.state) != _digest(state):
            yield FOLLOWED.failed(one.place, "other_state", OTHER_STATE, site=one.site, question=question)
        yield _again(summed, one, sites)
        if record.following is None:
            return
        state, before, sites = record.following, question, len(record.sites)


def _again(summed: Summed, one: _ProvenRecord, before: int | None) -> AuditFinding:
    """The arithmetic of one question; `before` is how many sites were in the total before it, if that is known."""
    record, reason = one.record, Text("")
    found: tuple[str, str] | None = None
    try:
        if not _begins_again(summed, record, before):
            found = _differs(record, _following(summed, record, record.numbers))
    except ProposalInvalidError as error:
        found, reason = ("not_followed", NOT_FOLLOWED), error.of(record.proposer).text
    except MedspaceError as error:  # of a run that ended with it, that is what the sites found too
        found, reason = None if record.following is None else ("total", WRONG_TOTAL), error.text
    except ArithmeticError:
        found, reason = ("total", WRONG_TOTAL), Text(msgid("it does not fit the question"))
    except (msgspec.ValidationError, ValueError, TypeError, LookupError):
        found = ("no_state", NO_STATE)
    if found is None:
        return FOLLOWED.verified(one.place)
    facts = {"site": one.site, "proposer": record.proposer}
    return FOLLOWED.failed(one.place, *found, **facts, question=record.question, reason=reason)


def _led_to(summed: Summed, chain: Mapping[int, _ProvenRecord], outcome: JsonObject) -> Iterator[AuditFinding]:
    """Whether the last question leads to what was signed; of a chain without its end nothing is told."""
    one = chain[max(chain)]
    if one.record.following is None:
        return
    try:
        made = summed.outcome(one.record.following)
    except RunError:
        return
    except (msgspec.ValidationError, ValueError, TypeError, LookupError):  # an invalid state: reported already
        return
    if _digest(made) != _digest(outcome):
        yield FOLLOWED.failed(one.place, "other_outcome", OTHER_OUTCOME, site=one.site)


def _begins_again(summed: Summed, record: QuestionRecord, before: int | None) -> bool:
    """Whether the task began again, as it may where fewer sites are in a total than in the one before."""
    if record.following is None or (before is not None and len(record.sites) >= before):
        return False
    again = summed.without(record.state)
    return again is not None and _digest(again) == _digest(record.following)


def _differs(record: QuestionRecord, following: State) -> tuple[str, str] | None:
    if record.following is None:
        return "no_reason", NO_REASON
    return None if _digest(following) == _digest(record.following) else ("other_following", OTHER_FOLLOWING)


def _following(summed: Summed, record: QuestionRecord, numbers: Sequence[int]) -> State:
    """What follows from a total; if it led nowhere, nothing was proposed, so it is computed again.

    Raises:
        ProposalInvalidError: the proposal does not follow.
        RunError: nothing follows.
        ArithmeticError: it does not have as many numbers as the question asks for.
    """
    if summed.asked(record.state) is None:
        raise RunError
    groups = record.groups or [record.sites]
    fits = len(numbers) == summed.shape(record.state).count * len(groups) and len(groups) == groups_of(summed)
    if not fits or sorted(site for group in groups for site in group) != record.sites:
        raise ArithmeticError
    numbers = checked(summed, record.state, numbers, [len(sites) for sites in groups])
    proposal = summed.propose(record.state, numbers) if record.following is None else record.proposal
    return summed.follow(record.state, numbers, proposal, len(record.sites))
