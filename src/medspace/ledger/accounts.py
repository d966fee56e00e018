"""What sites say they gave to training runs, compared with what the runs say they got, by the logs of their leaders.

A run notes a round when all its answers are there. So of each site at most one answer can be missing in an honest
log: that of the round in which the run was stopped, or in which the site was lost; and the run never heard of the
site again. Any other release that no run noted is an answer that its user hides.
"""

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from medspace.core.text import msgid
from medspace.ledger.report import ACCOUNT, NO_LOG, TOO_SHORT, AuditFinding, LogPosition
from medspace.ledger.runs import is_silent
from medspace.ledger.statements import SKEW, LogLine, RecordedRun, Statements, later

TRAINING = "medspace:train"
MOST_RUNS = 100  # of one task and agreement, checked for one release: no more run at the same time

Logs = Mapping[str, Statements]


@dataclass(slots=True)
class _UserClaims:
    """What the runs of one user claim to have received.

    `releases` by site and identity; `contents` by site, task, round and digest, since a site that was asked again for
    the same has given nothing more away; `latest` is the last round of a run that a site answered, `uses` the use in
    which it did. `begun` are the runs by task and agreement, in the order in which they began.
    """

    releases: set[tuple[str, str]] = field(default_factory=set)
    contents: set[tuple[str, str, int, str]] = field(default_factory=set)
    latest: dict[tuple[str, str], int] = field(default_factory=dict)
    uses: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    begun: dict[tuple[str, str], list[RecordedRun]] = field(default_factory=dict)


def _noted(user: Statements) -> _UserClaims:
    noted = _UserClaims()
    for run in user.runs.values():
        task = run.facts.get("task", "")
        for agreement in run.agreements:
            noted.begun.setdefault((task, agreement), []).append(run)
        for line in run.rounds:
            for answer in line.facts["answers"]:
                site, number = answer["site"], line.facts["round"]
                noted.releases.add((site, answer["release"]))
                noted.contents.add((site, task, number, answer["digest"]))
                noted.latest[run.id, site] = max(number, noted.latest.get((run.id, site), 0))
                noted.uses.setdefault((run.id, site), set()).add(answer["use"])
    for runs in noted.begun.values():
        runs.sort(key=_start)
    return noted


def _leader(admission: LogLine) -> str:
    """Who asked: the coordinator of the run, or its user if there is none."""
    return str(admission.facts.get("coordinator", admission.facts["user"]))


def _start(run: RecordedRun) -> str:
    return run.started.time if run.started else ""


def check(logs: Logs) -> Iterator[AuditFinding]:
    """Each question of a training use, released or not, belongs to a run of its user, and each release is noted."""
    noted = {origin: _noted(user) for origin, user in logs.items()}
    for log in logs.values():
        accounts = _Accounts(log, logs, noted)
        for identity, admission in log.admissions.items():
            if admission.facts["use_kind"] == TRAINING:
                yield from accounts.check(identity, admission)


@dataclass(slots=True)
class _Accounts:
    log: Statements
    logs: Logs
    noted: Mapping[str, _UserClaims]
    excused: set[tuple[str, str]] = field(default_factory=set)  # (user, run) whose one missing answer was met
    strayed: set[tuple[str, str]] = field(default_factory=set)  # (user, run) that asked once in a use of no answer

    def check(self, identity: str, admission: LogLine) -> Iterator[AuditFinding]:
        releases = [line for line in self.log.ends.get(identity, ()) if line.entry.kind == "use.released"]
        for release in releases:
            yield self._released(release, admission)
        if not releases:
            yield from self._admission_findings(admission)

    def _admission_findings(self, admission: LogLine) -> Iterator[AuditFinding]:
        place, party = LogPosition(self.log.origin, admission.index), _leader(admission)
        user = self.logs.get(party)
        if user is None:
            yield ACCOUNT.unverifiable(place, "no_log", NO_LOG, party=party)
        elif not any(self._may_have_asked(user, run, admission) for run in self._runs(user, admission)):
            if user.ends_before(admission.time):
                yield ACCOUNT.unverifiable(place, "too_short", TOO_SHORT, party=party)
            else:
                sentence = msgid("The question that was admitted here belongs to no run of {party}.")
                yield ACCOUNT.failed(place, "no_run", sentence, party=party)

    def _may_have_asked(self, user: Statements, run: RecordedRun, admission: LogLine) -> bool:
        """Whether a run may have put a question that it got no answer to.

        In a use that answered it, or in none yet, or once in another: a run asks a site again that lost its use.
        """
        if admission.facts["round"] > len(run.rounds) + 1:
            return False
        if self._same_use(user, run, admission):
            return True
        key = (user.origin, run.id)
        fresh = key not in self.strayed
        self.strayed.add(key)
        return fresh

    def _same_use(self, user: Statements, run: RecordedRun, admission: LogLine) -> bool:
        uses = self.noted[user.origin].uses.get((run.id, self.log.origin), set())
        return not uses or any(user.is_use(use, admission.facts["transfer"]) for use in uses)

    def _released(self, release: LogLine, admission: LogLine) -> AuditFinding:
        place, party = LogPosition(self.log.origin, release.index), _leader(admission)
        if party not in self.logs:
            return ACCOUNT.unverifiable(place, "no_log", NO_LOG, party=party)
        noted, facts = self.noted[party], release.facts
        content = (self.log.origin, admission.facts["task"], facts["round"], facts["digest"])
        if (self.log.origin, facts["release"]) in noted.releases or content in noted.contents:
            return ACCOUNT.verified(place)
        return self._unaccounted(place, release, admission, self.logs[party])

    def _unaccounted(
        self, place: LogPosition, release: LogLine, admission: LogLine, user: Statements
    ) -> AuditFinding:
        facts = {"party": user.origin, "release": release.facts["release"]}
        if user.ends_before(release.time):
            return ACCOUNT.unverifiable(place, "too_short", TOO_SHORT, **facts)
        runs = (run for run in self._runs(user, admission) if self._may_lack(user, run, release, admission))
        run = next(runs, None)
        if run is None:
            sentence = msgid("No run of {party} accounts for the release {release}.")
            return ACCOUNT.failed(place, "unaccounted", sentence, **facts)
        self.excused.add((user.origin, run.id))
        return _lacking(place, release, run, user)

    def _runs(self, user: Statements, admission: LogLine) -> Iterator[RecordedRun]:
        """The runs of that task that name this site and its agreement, and began before; the latest first."""
        facts = admission.facts
        begun = self.noted[user.origin].begun.get((facts["task"], facts["agreement"]), [])
        before = bisect(begun, later(admission.time, SKEW), key=_start)
        latest = (begun[at] for at in range(before - 1, -1, -1))
        whose = facts["user"]
        fitting = (run for run in latest if (run.user or user.origin) == whose)
        return (run for run in islice(fitting, MOST_RUNS) if self.log.origin in run.sites)

    def _may_lack(self, user: Statements, run: RecordedRun, release: LogLine, admission: LogLine) -> bool:
        """Whether this may be the one answer of this site that the run was stopped before it noted."""
        noted, key = self.noted[user.origin], (run.id, self.log.origin)
        number, rounds = release.facts["round"], len(run.rounds)
        used = run.finished is not None and self.log.origin in run.finished.facts["sites"]
        return (
            (user.origin, run.id) not in self.excused
            and not used
            and noted.latest.get(key, 0) < number <= rounds + 1
            and self._same_use(user, run, admission)
            and _before_its_end(run, admission)
        )


def _before_its_end(run: RecordedRun, admission: LogLine) -> bool:
    return all(admission.time <= later(end.time, SKEW) for end in run.ends)


def _lacking(place: LogPosition, release: LogLine, run: RecordedRun, user: Statements) -> AuditFinding:
    facts = {"party": user.origin, "release": release.facts["release"], "run": run.id}
    if run.finished:
        sentence = msgid("The run {run} of {party} finished without this site, and noted no use of {release}.")
        return ACCOUNT.unverifiable(place, "excluded", sentence, **facts)
    if run.failed:
        sentence = msgid("The release {release} went to the run {run} of {party}, which failed before it noted it.")
        return ACCOUNT.unverifiable(place, "failed_run", sentence, **facts)
    if is_silent(release, user):
        sentence = msgid("The release {release} went to the run {run} of {party}, which neither noted it nor ended.")
        return ACCOUNT.unverifiable(place, "never_ended", sentence, **facts)
    sentence = msgid("The release {release} went to the run {run} of {party}, which was still going.")
    return ACCOUNT.open(place, "open", sentence, **facts)
