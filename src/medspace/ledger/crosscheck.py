"""The logs of several parties must agree on the same events.

Each party signs its own account, so a release that one claims and another denies shows as a difference here. Where
the log of a party is not among those proven, or stops too early, nothing is taken for granted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from medspace.core.canonical import JsonObject
from medspace.core.text import msgid
from medspace.ledger import accounts, delegations, manifests, masked, runs, uses
from medspace.ledger.kinds import pseudonym
from medspace.ledger.report import (
    AGREEMENT,
    ANSWER,
    NO_LOG,
    TOO_SHORT,
    TRANSFER,
    AuditFinding,
    LogPosition,
    Premise,
    first_broken,
)
from medspace.ledger.runs import NOTHING
from medspace.ledger.statements import (
    CONSUMER,
    PROVIDER,
    SKEW,
    LogLine,
    RecordedAgreement,
    RecordedRun,
    Statements,
    later,
)

Logs = Mapping[str, Statements]

BEFORE_IT_LEFT = msgid(
    "The run noted {release} at {noted}, and {party} says that it left at {left}: a clock was wrong on one side."
)


def compare(logs: Logs) -> Iterator[AuditFinding]:
    """Every check of the proven logs, each on its own and against the others; `logs` by origin.

    Privacy budgets are checked separately (`ledger.budgets`).
    """
    for log in logs.values():
        yield from _agreements(log, logs)
        yield from _transfers(log, logs)
        yield from uses.check_releases(log)
        yield from uses.check_ends(log)
        yield from uses.check_ended_agreements(log)
        yield from _answers(log, logs)
        yield from runs.check_rounds(log)
        yield from runs.check_models(log)
    yield from manifests.check(logs.values())
    yield from masked.check(logs)
    yield from delegations.check(logs)
    yield from accounts.check(logs)


# -- agreements


def _agreements(log: Statements, logs: Logs) -> Iterator[AuditFinding]:
    for (party, identity), agreement in log.agreements.items():
        if agreement.since is None or (agreement.terminated and agreement.final is None):
            continue
        place = LogPosition(log.origin, agreement.since.index)
        if party not in logs:
            yield AGREEMENT.unverifiable(place, "no_log", NO_LOG, party=party)
        else:
            other = logs[party].agreements.get((log.origin, identity))
            yield _same(place, agreement, other, logs[party])


def _same(
    place: LogPosition, mine: RecordedAgreement, theirs: RecordedAgreement | None, party: Statements
) -> AuditFinding:
    if theirs is None:
        if mine.final is None or party.ends_before(mine.final.time):
            return AGREEMENT.unverifiable(place, "too_short", TOO_SHORT, party=party.origin)
        sentence = msgid("The agreement {agreement} is final here, and the log of {party} does not know it.")
        return AGREEMENT.failed(place, "denied", sentence, agreement=mine.id or "", party=party.origin)
    broken = first_broken(
        [
            (
                len(mine.digests) == 1,
                "digest",
                msgid("The log has no digest, or more than one, of the agreement {agreement}."),
            ),
            (mine.digests == theirs.digests, "differs", msgid("{party} recorded a different text of {agreement}.")),
            (
                {mine.role, theirs.role} == {PROVIDER, CONSUMER},
                "roles",
                msgid("{party} claims the same role in the agreement {agreement}."),
            ),
        ]
    )
    if broken:
        return AGREEMENT.failed(place, broken[1], broken[2], agreement=mine.id or "", party=party.origin)
    return AGREEMENT.verified(place)


# -- transfers: the uses that were begun


def _transfers(log: Statements, logs: Logs) -> Iterator[AuditFinding]:
    for pid, transfer in log.transfers.items():
        started = transfer.started
        if started is None:
            continue
        place, party = LogPosition(log.origin, started.index), started.facts["counterparty"]
        if party in logs:
            yield _same_use(place, pid, started, log, logs[party])
        else:
            yield TRANSFER.unverifiable(place, "no_log", NO_LOG, party=party)


def _same_use(place: LogPosition, pid: str, started: LogLine, log: Statements, party: Statements) -> AuditFinding:
    facts = started.facts
    peer = party.pids.get(log.peers.get(pid, ""), "")
    theirs = party.transfers.get(peer)
    if theirs is None and party.ends_before(started.time):
        return TRANSFER.unverifiable(place, "too_short", TOO_SHORT, party=party.origin)
    if theirs is None:
        sentence = msgid("The use {use} was started here, and the log of {party} does not know it.")
        return TRANSFER.failed(place, "denied", sentence, use=pid, party=party.origin)
    what = (facts["agreement"], facts["format"])
    same = theirs.is_of(what[0], log.origin, what[1]) and log.transfers[pid].is_of(what[0], party.origin, what[1])
    if not same or party.peers.get(peer, pseudonym(pid)) != pseudonym(pid):
        sentence = msgid("{party} recorded another agreement, kind or party of the use {use}.")
        return TRANSFER.failed(place, "differs", sentence, use=pid, party=party.origin)
    return TRANSFER.verified(place)


# -- answers: what a run says it got, compared with what its sites say they gave


@dataclass(slots=True)
class _Answers:
    log: Statements
    logs: Logs
    used: set[tuple[str, str]] = field(default_factory=set)
    heard: set[tuple[int, str]] = field(default_factory=set)  # (round's entry, site)

    def check(self, run: RecordedRun, line: LogLine, answer: JsonObject) -> AuditFinding:
        place, party = LogPosition(self.log.origin, line.index), answer["site"]
        site = self.logs.get(party)
        if site is None:
            return ANSWER.unverifiable(place, "no_log", NO_LOG, party=party)
        user = self.logs.get(run.user or self.log.origin)
        if user is None:
            return ANSWER.unverifiable(place, "no_log", NO_LOG, party=run.user)
        release = site.releases.get(answer["release"])
        if release is None and site.ends_before(line.time):
            return ANSWER.unverifiable(place, "too_short", TOO_SHORT, party=party)
        broken = first_broken(self._premises(run, line, answer, (site, user), release))
        self.used.add((party, answer["release"]))
        self.heard.add((line.index, party))
        facts = {"party": party, "release": answer["release"]}
        if broken:
            return ANSWER.failed(place, broken[1], broken[2], **facts)
        if release is not None and release.time > line.time and release.time > later(line.time, SKEW):
            times = {"noted": line.time, "left": release.time}
            return ANSWER.unverifiable(place, "clock", BEFORE_IT_LEFT, **facts, **times)
        return ANSWER.verified(place)

    def _premises(
        self,
        run: RecordedRun,
        line: LogLine,
        answer: JsonObject,
        parties: tuple[Statements, Statements],
        release: LogLine | None,
    ) -> list[Premise]:
        site, _ = parties
        if release is None:
            return [(False, "denied", msgid("The log of {party} has no release {release}."))]
        admission = site.admissions.get(release.facts["admission"])
        if admission is None:
            return [(False, "no_admission", msgid("{party} did not admit the use behind the release {release}."))]
        return [
            *_matching(line, answer, release),
            *_question_premises(line, answer, admission),
            (
                (site.origin, answer["release"]) not in self.used,
                "repeated",
                msgid("The run counts the release {release} of {party} twice."),
            ),
            (
                (line.index, site.origin) not in self.heard,
                "two_answers",
                msgid("The round has another answer of {party} beside the release {release}."),
            ),
            (
                admission.facts["agreement"] in run.agreements,
                "other_agreement",
                msgid("{party} admitted {release} under an agreement that the run did not start with."),
            ),
            (
                site.origin in run.sites,
                "not_a_site",
                msgid("{party} was not among the sites that the run started with."),
            ),
            *self._use(run, answer, parties, admission, release),
        ]

    def _use(
        self,
        run: RecordedRun,
        answer: JsonObject,
        parties: tuple[Statements, Statements],
        admission: LogLine,
        release: LogLine,
    ) -> list[Premise]:
        site, user = parties
        facts = admission.facts
        use = answer["use"]
        mine = user.agreements.get((site.origin, facts["agreement"]))
        theirs = site.agreements.get((user.origin, facts["agreement"]))
        both = mine is not None and theirs is not None and mine.digests == theirs.digests
        return [
            (admission.index < release.index, "too_late", msgid("{party} admitted {release} only after it left.")),
            (facts["user"] == user.origin, "other_user", msgid("{party} released {release} to somebody else.")),
            (
                facts.get("coordinator", facts["user"]) == self.log.origin,
                "other_coordinator",
                msgid("{party} released {release} to a run that somebody else was to lead."),
            ),
            (
                facts["task"] == run.facts.get("task"),
                "other_task",
                msgid("{party} admitted {release} for another task."),
            ),
            (
                user.is_use(use, facts["transfer"]),
                "other_use",
                msgid("{party} admitted {release} in another use."),
            ),
            (
                both
                and mine is not None
                and mine.final is not None
                and theirs is not None
                and theirs.final is not None,
                "no_agreement",
                msgid("The release {release} of {party} is under no agreement that both sides finished."),
            ),
            (
                mine is not None and not mine.expired(release.time),
                "expired",
                msgid("The agreement with {party} had expired when {release} left."),
            ),
        ]


def _question_premises(line: LogLine, answer: JsonObject, admission: LogLine) -> list[Premise]:
    noted = line.facts.get("manifest")
    return [
        (
            admission.facts["step"] == answer.get("step", line.facts["step"]),
            "other_step",
            msgid("{party} was asked for another step than the run noted for {release}."),
        ),
        (
            admission.facts["question"] == answer.get("question", line.facts.get("model", NOTHING)),
            "other_question",
            msgid("{party} was asked about another model than the run noted for {release}."),
        ),
        (
            # Versions without manifests note none; a round that began under such a version may end under this one.
            admission.facts.get("manifest", noted) == noted,
            "other_manifest",
            msgid("{party} was shown another manifest than the run noted for {release}."),
        ),
    ]


def _matching(line: LogLine, answer: JsonObject, release: LogLine) -> list[Premise]:
    return [
        (
            answer["digest"] == release.facts["digest"],
            "differs",
            msgid("{party} recorded different content for the release {release}."),
        ),
        (
            line.facts["round"] == release.facts["round"],
            "other_round",
            msgid("{party} made the release {release} for another round."),
        ),
    ]


def _answers(log: Statements, logs: Logs) -> Iterator[AuditFinding]:
    answers = _Answers(log, logs)
    for run in log.runs.values():
        for line in run.rounds:
            for answer in line.facts["answers"]:
                yield answers.check(run, line, answer)
