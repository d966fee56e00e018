"""What the logs of several parties say about the same thing must agree.

Each party signs its own account, so a release that one claims and another denies shows as a difference here. Where
the log of a party is not among those proven, or stops too early, nothing is taken for granted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest
from medspace.core.text import msgid
from medspace.ledger.report import ACCOUNT, AGREEMENT, ANSWER, MODEL, RELEASE, Finding, Place
from medspace.ledger.statements import CONSUMER, PROVIDER, Agreement, Line, Run, Statements

TRAINING = "medspace:train"

Logs = Mapping[str, Statements]
Account = set[tuple[str, ...]]  # what the runs of one party say they got
Accounts = Mapping[str, Account]
Premise = tuple[bool, str, str]  # whether it holds, the code of what is the matter if not, and a sentence

NOTHING = digest({})  # the question of a step that is about no model yet
NO_LOG = msgid("The log of {party} is not here, or not proven.")
TOO_SHORT = msgid("The log of {party} ends too early to say.")


def compare(logs: Logs) -> Iterator[Finding]:
    """Every cross-check of the proven logs, by origin."""
    accounts = {origin: _accounted(user) for origin, user in logs.items()}
    for log in logs.values():
        yield from _agreements(log, logs)
        yield from _releases(log)
        yield from _answers(log, logs)
        yield from _accounts(log, logs, accounts)
        yield from _models(log)


def _broken(premises: list[Premise]) -> Premise | None:
    return next((premise for premise in premises if not premise[0]), None)


# -- agreements


def _agreements(log: Statements, logs: Logs) -> Iterator[Finding]:
    for (party, identity), agreement in log.agreements.items():
        if agreement.since is None or (agreement.terminated and agreement.final is None):
            continue
        place = Place(log.origin, agreement.since.index)
        if party not in logs:
            yield AGREEMENT.unverifiable(place, "no_log", NO_LOG, party=party)
        else:
            other = logs[party].agreements.get((log.origin, identity))
            yield _same(place, agreement, other, logs[party])


def _same(place: Place, mine: Agreement, theirs: Agreement | None, party: Statements) -> Finding:
    if theirs is None:
        if mine.final is None or party.ends_before(mine.final.entry.time):
            return AGREEMENT.unverifiable(place, "too_short", TOO_SHORT, party=party.origin)
        sentence = msgid("The agreement {agreement} is final here, and the log of {party} does not know it.")
        return AGREEMENT.failed(place, "denied", sentence, agreement=mine.id or "", party=party.origin)
    broken = _broken(
        [
            (len(mine.digests) == 1, "digest", msgid("The log has not one digest of the agreement {agreement}.")),
            (mine.digests == theirs.digests, "differs", msgid("{party} recorded another text of {agreement}.")),
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


# -- releases, in the log of the holder alone


def _releases(log: Statements) -> Iterator[Finding]:
    for line in log.repeated:
        sentence = msgid("The identity of this entry was taken already.")
        yield RELEASE.failed(Place(log.origin, line.index), "repeated", sentence)
    for release in log.releases.values():
        place = Place(log.origin, release.index)
        broken = _broken(_admitted(log, release))
        yield RELEASE.failed(place, broken[1], broken[2]) if broken else RELEASE.verified(place)


def _admitted(log: Statements, release: Line) -> list[Premise]:
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
            agreement is not None and not agreement.expired(release.entry.time),
            "expired",
            msgid("The agreement had expired when the release left."),
        ),
    ]


# -- answers: what a run says it got, against what its sites say they gave


@dataclass(slots=True)
class _Answers:
    log: Statements
    logs: Logs
    used: set[tuple[str, str]] = field(default_factory=set)

    def check(self, run: Run, line: Line, answer: JsonObject) -> Finding:
        place, party = Place(self.log.origin, line.index), answer["site"]
        site = self.logs.get(party)
        if site is None:
            return ANSWER.unverifiable(place, "no_log", NO_LOG, party=party)
        release = site.releases.get(answer["release"])
        if release is None and site.ends_before(line.entry.time):
            return ANSWER.unverifiable(place, "too_short", TOO_SHORT, party=party)
        broken = _broken(self._premises(run, line, answer, site, release))
        self.used.add((party, answer["release"]))
        if broken:
            return ANSWER.failed(place, broken[1], broken[2], party=party, release=answer["release"])
        return ANSWER.verified(place)

    def _premises(
        self, run: Run, line: Line, answer: JsonObject, site: Statements, release: Line | None
    ) -> list[Premise]:
        if release is None:
            return [(False, "denied", msgid("The log of {party} has no release {release}."))]
        admission = site.admissions.get(release.facts["admission"])
        if admission is None:
            return [(False, "no_admission", msgid("{party} did not admit the use behind the release {release}."))]
        return [
            *_matching(line, answer, release),
            *_asked(line, admission),
            (
                (site.origin, answer["release"]) not in self.used,
                "repeated",
                msgid("The run counts the release {release} of {party} twice."),
            ),
            (
                site.origin in run.facts.get("sites", ()),
                "not_a_site",
                msgid("{party} was not among the sites with which the run began."),
            ),
            *self._use(run, answer, site, admission, release),
        ]

    def _use(self, run: Run, answer: JsonObject, site: Statements, admission: Line, release: Line) -> list[Premise]:
        facts = admission.facts
        use = answer["use"]
        mine = self.log.agreements.get((site.origin, facts["agreement"]))
        theirs = site.agreements.get((self.log.origin, facts["agreement"]))
        both = mine is not None and theirs is not None and mine.digests == theirs.digests
        return [
            (admission.index < release.index, "too_late", msgid("{party} admitted {release} only after it left.")),
            (facts["user"] == self.log.origin, "other_user", msgid("{party} released {release} to somebody else.")),
            (
                facts["task"] == run.facts.get("task"),
                "other_task",
                msgid("{party} admitted {release} for another task."),
            ),
            (
                facts["transfer"] in (use, self.log.transfers.get(use)),
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
                mine is not None and not mine.expired(release.entry.time),
                "expired",
                msgid("The agreement with {party} had expired when {release} left."),
            ),
        ]


def _asked(line: Line, admission: Line) -> list[Premise]:
    return [
        (
            admission.facts["step"] == line.facts["step"],
            "other_step",
            msgid("{party} was asked for another step than the run noted for {release}."),
        ),
        (
            admission.facts["question"] == line.facts.get("model", NOTHING),
            "other_question",
            msgid("{party} was asked about another model than the run noted for {release}."),
        ),
    ]


def _matching(line: Line, answer: JsonObject, release: Line) -> list[Premise]:
    return [
        (
            answer["digest"] == release.facts["digest"],
            "differs",
            msgid("{party} recorded another content of the release {release}."),
        ),
        (
            line.facts["round"] == release.facts["round"],
            "other_round",
            msgid("{party} made the release {release} for another round."),
        ),
    ]


def _answers(log: Statements, logs: Logs) -> Iterator[Finding]:
    answers = _Answers(log, logs)
    for run in log.runs.values():
        for line in run.rounds:
            for answer in line.facts["answers"]:
                yield answers.check(run, line, answer)


# -- accounts: what sites say they gave, against what the run says it got


def _accounts(log: Statements, logs: Logs, accounts: Accounts) -> Iterator[Finding]:
    for identity, release in log.releases.items():
        admission = log.admissions.get(release.facts["admission"])
        if admission is None or admission.facts["use_kind"] != TRAINING:
            continue
        place, user = Place(log.origin, release.index), admission.facts["user"]
        if user not in logs:
            yield ACCOUNT.unverifiable(place, "no_log", NO_LOG, party=user)
        elif {(log.origin, identity), _content(log.origin, release.facts)} & accounts[user]:
            yield ACCOUNT.verified(place)
        else:
            yield _unaccounted(place, release, admission, logs[user])


def _accounted(user: Statements) -> Account:
    # By identity; and by content, since a site that was asked again for the same has given nothing more away.
    found: Account = set()
    for run in user.runs.values():
        for line in run.rounds:
            for answer in line.facts["answers"]:
                found.add((answer["site"], answer["release"]))
                found.add(_content(answer["site"], {**answer, "round": line.facts["round"]}))
    return found


def _content(site: str, facts: JsonObject) -> tuple[str, ...]:
    return (site, str(facts["round"]), facts["digest"])


def _unaccounted(place: Place, release: Line, admission: Line, user: Statements) -> Finding:
    task = admission.facts["task"]
    runs = [run for run in user.runs.values() if run.facts.get("task") == task]
    facts = {"party": user.origin, "release": release.facts["release"]}
    if user.ends_before(release.entry.time) or any(not run.finished and not run.failed for run in runs):
        return ACCOUNT.unverifiable(place, "too_short", TOO_SHORT, **facts)
    if any(run.failed for run in runs):
        sentence = msgid("The release {release} went to a run of {party} that failed before it noted it.")
        return ACCOUNT.unverifiable(place, "failed_run", sentence, **facts)
    if any(run.finished and place.origin not in run.finished.facts["sites"] for run in runs):
        sentence = msgid("The run of {party} finished without this site, and noted no use of the release {release}.")
        return ACCOUNT.unverifiable(place, "excluded", sentence, **facts)
    sentence = msgid("No run of {party} accounts for the release {release}.")
    return ACCOUNT.failed(place, "unaccounted", sentence, **facts)


# -- runs, in the log of the coordinator alone


def _models(log: Statements) -> Iterator[Finding]:
    for run in log.runs.values():
        if run.finished is None:
            continue
        place = Place(log.origin, run.finished.index)
        broken = _broken(_finished(run, run.finished))
        if broken:
            yield MODEL.failed(place, broken[1], broken[2], run=run.id)
        elif _fitted(run, run.finished) is None:
            sentence = msgid("The run {run} does not say from which round its model was made.")
            yield MODEL.unverifiable(place, "not_said", sentence, run=run.id)
        else:
            yield MODEL.verified(place)


def _finished(run: Run, finished: Line) -> list[Premise]:
    order = [line.index for line in (run.started, *run.rounds, finished) if line is not None]
    facts = finished.facts
    return [
        (run.started is not None, "no_start", msgid("The run {run} finished without having begun.")),
        (bool(run.rounds), "no_round", msgid("The run {run} finished without any round.")),
        (order == sorted(order), "order", msgid("The run {run} has rounds before its start or after its end.")),
        (
            _fitted(run, finished) is not False,
            "other_model",
            msgid("The run {run} names another model than it made."),
        ),
        (
            set(facts["sites"]) <= set(run.facts.get("sites", ())),
            "sites",
            msgid("The run {run} names sites with which it did not begin."),
        ),
        (
            facts["protection"] == run.facts.get("protection"),
            "protection",
            msgid("The run {run} ended with another protection than it began with."),
        ),
    ]


def _fitted(run: Run, finished: Line) -> bool | None:
    # Whether the model is that of the last round; None where the log does not say.
    last = run.rounds[-1].facts.get("model") if run.rounds else None
    if "fitted" in finished.facts:
        return bool(last == finished.facts["fitted"])
    return True if last == finished.facts["model"] else None
