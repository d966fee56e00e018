"""The consistency of a holder's log about the uses of its data: releases, and ends of questions."""

from collections.abc import Iterator
from datetime import timedelta

from medspace.core.text import msgid
from medspace.ledger.report import ENDED, GOES_ON, RELEASE, AuditFinding, LogPosition, Premise, first_broken
from medspace.ledger.statements import PROVIDER, LogLine, Statements, later

LONGEST_USE = timedelta(hours=1)  # how long an answer may take where the log does not say until when it may leave
LONGEST_SAID = timedelta(days=1)  # a later end than this is ignored: no question stays open for ever
LONGEST_HELD = timedelta(days=30)  # the same, where a person must look at the answer


def check_releases(log: Statements) -> Iterator[AuditFinding]:
    """Each release: admitted before, in an open use, in its turn, under an agreement."""
    for line in log.repeated:
        sentence = msgid("The identifier of this entry was already in use.")
        yield RELEASE.failed(LogPosition(log.origin, line.index), "repeated", sentence)
    disorder = dict(_disorder(log))
    for identity, release in log.releases.items():
        place = LogPosition(log.origin, release.index)
        broken = first_broken(_admitted(log, release)) or disorder.get(identity)
        yield RELEASE.failed(place, broken[1], broken[2]) if broken else RELEASE.verified(place)


def check_ends(log: Statements) -> Iterator[AuditFinding]:
    """Each admission has one end after it. A use is asked one question at a time, so the next one implies an end."""
    last = {line.facts["transfer"]: line.index for line in log.admissions.values()}
    for identity, admission in log.admissions.items():
        ends = log.ends.get(identity, [])
        yield _ended(log, admission, ends, followed=admission.index < last[admission.facts["transfer"]])
    for identity, ends in log.ends.items():
        if identity not in log.admissions:
            yield from (_of_nothing(log, end) for end in ends if end.entry.kind != "use.released")


def check_ended_agreements(log: Statements) -> Iterator[AuditFinding]:
    """Each admission under an agreement: before its holder ended it, where it did."""
    for admission in log.admissions.values():
        agreement = log.agreements.get((admission.facts["user"], admission.facts["agreement"]))
        if agreement is not None:
            place = LogPosition(log.origin, admission.index)
            sentence = msgid("The question was admitted after the holder had ended the agreement.")
            late = agreement.ended_before(admission.index)
            yield GOES_ON.failed(place, "ended", sentence) if late else GOES_ON.verified(place)


def open_until(admission: LogLine, *, held: bool = False) -> str:
    """Until when the answer to an admitted question may leave."""
    longest = later(admission.time, LONGEST_HELD if held else LONGEST_SAID)
    return min(admission.facts.get("expires") or later(admission.time, LONGEST_USE), longest)


def _ended(log: Statements, admission: LogLine, ends: list[LogLine], *, followed: bool) -> AuditFinding:
    place = LogPosition(log.origin, admission.index)
    if len(ends) > 1:
        return ENDED.failed(place, "twice", msgid("The admitted question has more than one end."))
    if ends and ends[0].index < admission.index:
        return ENDED.failed(place, "too_early", msgid("The end of the question was recorded before its admission."))
    if ends:
        return ENDED.verified(place)
    held = admission.facts["admission"] in log.held
    if followed or open_until(admission, held=held) < log.until:
        sentence = msgid("The question was admitted and has no end: neither released, nor withheld, nor failed.")
        return ENDED.failed(place, "missing", sentence)
    sentence = msgid("The question was still being answered when the log was exported.")
    return ENDED.open(place, "open", sentence)


def _of_nothing(log: Statements, end: LogLine) -> AuditFinding:
    sentence = msgid("No admission in this log belongs to the end of a question.")
    return ENDED.failed(LogPosition(log.origin, end.index), "no_admission", sentence)


def _admitted(log: Statements, release: LogLine) -> list[Premise]:
    admission = log.admissions.get(release.facts["admission"])
    if admission is None:
        return [(False, "no_admission", msgid("No admission in this log belongs to the release."))]
    facts = admission.facts
    agreement = log.agreements.get((facts["user"], facts["agreement"]))
    final = agreement.final if agreement and agreement.role == PROVIDER else None
    return [
        (admission.index < release.index, "too_late", msgid("The admission was recorded only after the release.")),
        (
            facts["round"] == release.facts["round"],
            "other_round",
            msgid("The admission was for another round than the release."),
        ),
        (
            final is not None and final.index < admission.index,
            "no_agreement",
            msgid("No agreement with the user was final when the use was admitted."),
        ),
        (
            agreement is not None and not agreement.expired(release.time),
            "expired",
            msgid("The agreement had expired when the release left."),
        ),
        (
            agreement is not None and not agreement.ended_before(release.index),
            "ended",
            msgid("The holder had ended the agreement when the release left."),
        ),
        (
            release.facts.get("by") not in log.approved.get(release.facts["admission"], ()),
            "one_person",
            msgid("Two actors had to let the release go, and both entries name the same one."),
        ),
        *_in_use(log, admission, release),
    ]


def _in_use(log: Statements, admission: LogLine, release: LogLine) -> list[Premise]:
    facts = admission.facts
    transfer = log.transfers.get(facts["transfer"])
    return [
        (
            transfer is not None and transfer.is_of(facts["agreement"], facts["user"], facts["use_kind"]),
            "no_use",
            msgid("The log has no use of that user, agreement and kind to which the release belongs."),
        ),
        (
            transfer is not None and all(transfer.open_at(line.index) for line in (admission, release)),
            "closed",
            msgid("The use was not open when the release was admitted or when it left."),
        ),
        (
            "expires" not in facts or release.time <= facts["expires"],
            "too_old",
            msgid("The release left after the time until which its admission held."),
        ),
    ]


def _disorder(log: Statements) -> Iterator[tuple[str, Premise]]:
    # One answer to one round and step of a use, and rounds only forward: asking a round twice allows comparison.
    # The same answer again reveals nothing more.
    latest: dict[str, int] = {}
    given: dict[tuple[str, int, str], str] = {}
    for identity, release in log.releases.items():
        admission = log.admissions.get(release.facts["admission"])
        if admission is None:
            continue
        use, number, said = admission.facts["transfer"], release.facts["round"], release.facts["digest"]
        turn = (use, number, admission.facts["step"])
        if turn not in given and number < latest.get(use, 0):
            yield identity, (False, "backwards", msgid("The use had already been answered for a later round."))
        if given.setdefault(turn, said) != said:
            yield (
                identity,
                (False, "again", msgid("The use had already had a different answer to the same round and step.")),
            )
        latest[use] = max(number, latest.get(use, 0))
