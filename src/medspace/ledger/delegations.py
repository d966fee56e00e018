"""Runs that one member led for another: in the log of its coordinator, of its user, and as the sites admitted them.

A claim to lead a run for somebody needs three confirmations: the user delegated just that run to it, the sites were
shown a manifest of the user that names it, and the model that it made is the one that the user got.
"""

from collections.abc import Iterator, Mapping

from medspace.core.text import msgid
from medspace.ledger.report import DELEGATED, NO_LOG, TOO_SHORT, AuditFinding, LogPosition, Premise, first_broken
from medspace.ledger.runs import is_silent
from medspace.ledger.statements import LogLine, RecordedDelegation, RecordedRun, Statements

Logs = Mapping[str, Statements]
_SAME = ("task", "agreements", "sites", "protection")


def check(logs: Logs) -> Iterator[AuditFinding]:
    """Each run that was led for another member, and each that was delegated."""
    for log in logs.values():
        for run in log.runs.values():
            if run.user and run.started is not None:
                yield _led(log, run, run.started, logs)
        for identity, delegation in log.delegations.items():
            yield from _delegated(log, identity, delegation, logs)


# -- in the log of the coordinator


def _led(log: Statements, run: RecordedRun, started: LogLine, logs: Logs) -> AuditFinding:
    place, user = LogPosition(log.origin, started.index), logs.get(run.user)
    facts = {"run": run.id, "party": run.user}
    other = _other_leader(log, run, logs)
    if other is not None:
        sentence = msgid("{site} was shown a manifest by which {other} leads the run {run} of {party}.")
        return DELEGATED.failed(place, "other_coordinator", sentence, **facts, site=other[0], other=other[1])
    if user is None:
        return DELEGATED.unverifiable(place, "no_log", NO_LOG, party=run.user)
    delegation = user.delegations.get(run.id)
    if delegation is None and user.ends_before(started.time):
        return DELEGATED.unverifiable(place, "too_short", TOO_SHORT, party=run.user)
    broken = first_broken(_as_delegated(log, run, started, delegation))
    return DELEGATED.failed(place, broken[1], broken[2], **facts) if broken else DELEGATED.verified(place)


def _other_leader(log: Statements, run: RecordedRun, logs: Logs) -> tuple[str, str] | None:
    """A site whose log names another leader of the run, with that leader."""
    for site in filter(None, map(logs.get, sorted(run.sites))):
        for line in site.admissions.values():
            facts = line.facts
            leader = str(facts.get("coordinator", facts["user"]))
            if (facts["user"], facts.get("run")) == (run.user, run.id) and leader != log.origin:
                return site.origin, leader
    return None


def _as_delegated(
    log: Statements, run: RecordedRun, started: LogLine, delegation: RecordedDelegation | None
) -> list[Premise]:
    said = delegation.lines if delegation else []
    received = delegation.received if delegation else None
    return [
        (bool(said), "not_delegated", msgid("{party} did not delegate the run {run}, which is led here for it.")),
        (
            all(line.facts["coordinator"] == log.origin for line in said),
            "other_coordinator",
            msgid("{party} delegated the run {run} to somebody else."),
        ),
        (
            all(line.facts[name] == started.facts[name] for line in said for name in _SAME),
            "differs",
            msgid("{party} delegated the run {run} with another task, or over other sites."),
        ),
        (
            received is None or (run.finished is not None and received.facts["model"] == run.finished.facts["model"]),
            "other_model",
            msgid("{party} got another model of the run {run} than was made here."),
        ),
    ]


# -- in the log of the user


def _delegated(log: Statements, identity: str, delegation: RecordedDelegation, logs: Logs) -> Iterator[AuditFinding]:
    line = (*delegation.lines, *delegation.ends)[0]
    place, party = LogPosition(log.origin, line.index), _coordinator(line)
    facts = {"run": identity, "party": party}
    broken = first_broken(_in_order(log, identity, delegation))
    if broken:
        yield DELEGATED.failed(place, broken[1], broken[2], **facts)
    elif delegation.received is not None and party in logs and identity not in logs[party].runs:
        if logs[party].ends_before(delegation.received.time):
            yield DELEGATED.unverifiable(place, "too_short", TOO_SHORT, party=party)
        else:
            sentence = msgid("The user got a model of the run {run}, and the log of {party} does not know the run.")
            yield DELEGATED.failed(place, "denied", sentence, **facts)
    elif delegation.received is not None and party not in logs:
        yield DELEGATED.unverifiable(place, "no_log", NO_LOG, party=party)
    else:
        yield _ended(place, identity, delegation, log)


def _coordinator(line: LogLine) -> str:
    return str(line.facts.get("coordinator", ""))


def _in_order(log: Statements, identity: str, delegation: RecordedDelegation) -> list[Premise]:
    places = [line.index for line in (*delegation.lines, *delegation.ends)]
    received = delegation.received
    return [
        (len(delegation.lines) == 1, "order", msgid("The run {run} was not delegated exactly once.")),
        (places == sorted(places), "order", msgid("The run {run} ended before it was delegated.")),
        (len(delegation.ends) < 2, "two_ends", msgid("The run {run} ended twice.")),  # noqa: PLR2004
        (
            identity not in log.runs,
            "led_itself",
            msgid("The run {run} was delegated to {party} and led here all the same."),
        ),
        (
            received is None or all(_coordinator(one) == _coordinator(received) for one in delegation.lines),
            "other_coordinator",
            msgid("The model of the run {run} came from somebody else than it was delegated to."),
        ),
    ]


def _ended(place: LogPosition, identity: str, delegation: RecordedDelegation, log: Statements) -> AuditFinding:
    if delegation.ends:
        return DELEGATED.verified(place)
    if is_silent(delegation.lines[0], log):
        sentence = msgid("The run {run} never ended: its log continues without it since {time}.")
        time = delegation.lines[0].time
        return DELEGATED.unverifiable(place, "never_ended", sentence, run=identity, time=time)
    return DELEGATED.open(
        place, "open", msgid("The run {run} was still going when the log was exported."), run=identity
    )
