"""What the logs of several holders say about a masked run: whether they opened the same totals, and who did not.

Of each question every holder notes the list of those in the total (`survivors`) and, once it has opened it, all that
opened it (`openings`), both as digests. The list follows from what the coordinator sent, whose digest is in
the admission: so if holders got the same and noted different lists, one of them lies; if they
got different things, the coordinator showed two lists.

Where more than half of the holders noted the same, the others are named; otherwise nobody can tell, and all are. A
holder that says that somebody broke the protocol (`named` in a `use.withheld`) makes an accusation: it proves
nothing, so it is shown and does not fail an audit, unless it names somebody who has no part in the run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from medspace.core.text import Fact, msgid
from medspace.ledger.report import MASKED, NO_LOG, Accusation, AuditFinding, LogPosition
from medspace.ledger.statements import LogLine, RecordedRun, Statements

Logs = Mapping[str, Statements]
RunName = tuple[str, str, str]  # user, run, digest of the manifest

# The names of the protocol (`runs.masked`), as logs have them.
CONTRIBUTION = "masked.contribution"  # what answers a question: the next one begins with it
AGREE, OPEN, PROPOSE = "agree", "open", "propose"

OTHER_LIST = msgid("Of question {question} {site} noted another list of sites than the others: {others}.")
OTHER_OPENINGS = msgid("Of question {question} {site} noted another opened total than the others: {others}.")
TWO_LISTS = msgid(
    "{coordinator} brought {site} another list of sites for question {question} than the others: {others}."
)
NOT_NOTED = msgid("{site} went on in the run without noting who was in the total of question {question}.")
NOT_OPENED = msgid("{site} went on in the run without noting how the total of question {question} was opened.")
CHANGED = msgid("{site} noted two different lists of sites, or opened totals, for question {question}.")
STRANGER = msgid("{site} accuses {party}, which has no part in the run {run}.")


@dataclass(frozen=True, slots=True)
class _NotedDigest:
    """A digest that a holder noted, at a release; `asked` is the digest of what it was brought then."""

    digest: str
    line: LogLine
    asked: str


@dataclass(slots=True)
class _View:
    """One masked run in the log of one holder, by the number of the question."""

    site: str
    coordinator: str
    seats: int
    agreed: dict[int, list[_NotedDigest]] = field(default_factory=dict)
    lists: dict[int, _NotedDigest] = field(default_factory=dict)
    openings: dict[int, _NotedDigest] = field(default_factory=dict)
    findings: list[AuditFinding] = field(default_factory=list)
    question: int = 0

    def add(self, admission: LogLine, release: LogLine) -> None:
        """Add one more release of the run."""
        step, about = admission.facts["step"], self.question
        if release.facts["output"] == CONTRIBUTION:
            self.question += 1  # what it notes is of the question before
        if about == 0:
            return
        if step == AGREE:
            self._agree(admission, release, about)
        else:
            self._note(self.lists, "survivors", admission, release, about)
            self._note(self.openings, "openings", admission, release, about)
            self._check(step, release, about)

    def _agree(self, admission: LogLine, release: LogLine, about: int) -> None:
        noted = release.facts.get("survivors")
        if noted is None:
            self._fail(release, about, "not_noted", NOT_NOTED)
        else:
            self.agreed.setdefault(about, []).append(_NotedDigest(noted, release, admission.facts["question"]))

    def _note(
        self, kept: dict[int, _NotedDigest], fact: str, admission: LogLine, release: LogLine, about: int
    ) -> None:
        noted = release.facts.get(fact)
        if noted is None:
            return
        first = kept.setdefault(about, _NotedDigest(noted, release, admission.facts["question"]))
        if first.digest != noted:
            self._fail(release, about, "changed", CHANGED)

    def _check(self, step: str, release: LogLine, about: int) -> None:
        agreed = self.agreed.get(about)
        if "survivors" not in release.facts:
            self._fail(release, about, "not_noted", NOT_NOTED)
        elif agreed is not None and agreed[-1].digest != release.facts["survivors"]:
            self._fail(release, about, "changed", CHANGED)  # it opened another list than it signed last
        elif step != OPEN and about not in self.openings:
            self._fail(release, about, "not_opened", NOT_OPENED)

    def _fail(self, line: LogLine, question: int, matter: str, sentence: str) -> None:
        place = LogPosition(self.site, line.index)
        self.findings.append(MASKED.failed(place, matter, sentence, site=self.site, question=question))


def check(logs: Logs) -> Iterator[AuditFinding]:
    """Each question of each masked run, as its holders noted it; and whom they accuse."""
    for run, views in _views(logs).items():
        for view in views:
            yield from view.findings
        yield from _absent(logs, run, views)
        for question in range(1, max(view.question for view in views) + 1):
            yield from _question(views, question)
    for log in logs.values():
        yield from _strangers(log, logs)


def deviants(noted: Mapping[str, str]) -> frozenset[str]:
    """Who differs from the majority; all of them if there is no majority."""
    counts = Counter(noted.values())
    found, most = counts.most_common(1)[0] if counts else ("", 0)
    if len(counts) <= 1:
        return frozenset()
    if 2 * most <= len(noted):
        return frozenset(noted)
    return frozenset(site for site, digest in noted.items() if digest != found)


def accusations(logs: Logs) -> Iterator[Accusation]:
    """Those who, according to holders, broke the protocol of a run."""
    return (said for log in logs.values() for said, _ in _accused(log))


def _accused(log: Statements) -> Iterator[tuple[Accusation, LogLine | None]]:
    """Each accusation, with the admission that it is about."""
    for ends in log.ends.values():
        for end in ends:
            if "named" in end.facts:
                admission = log.admissions.get(end.facts["admission"])
                run = str(admission.facts.get("run", "")) if admission else ""
                yield Accusation(log.origin, end.facts["named"], end.facts["code"], run, end.index), admission


def _views(logs: Logs) -> dict[RunName, list[_View]]:
    found: dict[RunName, list[_View]] = {}
    for log in logs.values():
        for run, view in _of_log(log).items():
            found.setdefault(run, []).append(view)
    return found


def _of_log(log: Statements) -> dict[RunName, _View]:
    views: dict[RunName, _View] = {}
    for release in sorted(log.releases.values(), key=lambda line: line.index):
        admission = log.admissions.get(release.facts["admission"])
        if admission is None or "manifest" not in admission.facts:
            continue
        facts = admission.facts
        run = (facts["user"], facts.get("run", ""), facts["manifest"])
        if run not in views and release.facts["output"] != CONTRIBUTION:
            continue  # not masked, or no question was answered yet
        coordinator = str(facts.get("coordinator", facts["user"]))
        views.setdefault(run, _View(log.origin, coordinator, facts.get("sites", 0))).add(admission, release)
    return views


# -- one question


def _question(views: list[_View], question: int) -> Iterator[AuditFinding]:
    found = [
        *_agreements(views, question),
        *_compared({view.site: view.lists[question] for view in views if question in view.lists}, question, "list"),
        *_compared(
            {view.site: view.openings[question] for view in views if question in view.openings}, question, "openings"
        ),
    ]
    yield from found
    if not found:
        places = [view.lists[question].line for view in views if question in view.lists]
        if places:
            yield MASKED.verified(LogPosition(views[0].site, places[0].index))


def _agreements(views: list[_View], question: int) -> Iterator[AuditFinding]:
    """The lists that holders signed in the same round: what they were sent shows whose fault a difference is."""
    rounds: dict[int, dict[str, _NotedDigest]] = {}
    coordinators = {view.site: view.coordinator for view in views}
    for view in views:
        for noted in view.agreed.get(question, []):
            rounds.setdefault(noted.line.facts["round"], {})[view.site] = noted
    for signed in rounds.values():
        for site in sorted(deviants({site: noted.digest for site, noted in signed.items()})):
            noted, others = signed[site], _others(site, signed)
            brought = {other.digest for other in signed.values() if other.asked == noted.asked}
            place = LogPosition(site, noted.line.index)
            facts: dict[str, Fact] = {"site": site, "question": question, "others": others}
            if len(brought) > 1:
                yield MASKED.failed(place, "other_list", OTHER_LIST, **facts)
            else:
                yield MASKED.failed(place, "two_lists", TWO_LISTS, **facts, coordinator=coordinators[site])


def _compared(noted: Mapping[str, _NotedDigest], question: int, what: str) -> Iterator[AuditFinding]:
    sentence = OTHER_LIST if what == "list" else OTHER_OPENINGS
    for site in sorted(deviants({site: one.digest for site, one in noted.items()})):
        place = LogPosition(site, noted[site].line.index)
        facts: dict[str, Fact] = {"site": site, "question": question, "others": _others(site, noted)}
        yield MASKED.failed(place, f"other_{what}", sentence, **facts)


def _others(site: str, noted: Iterable[str]) -> str:
    return ", ".join(sorted(other for other in noted if other != site))


# -- who is not here


def _absent(logs: Logs, run: RunName, views: list[_View]) -> Iterator[AuditFinding]:
    """What cannot be determined, since the log of a site is missing."""
    led = _led(logs, run, views[0].coordinator)
    place, here = LogPosition(views[0].site), {view.site for view in views}
    if led is not None:
        for site in sorted(led.sites - set(logs)):
            yield MASKED.unverifiable(place, "no_log", NO_LOG, party=site)
    elif len(here) < max(view.seats for view in views):
        sentence = msgid("Of the {sites} sites of the run {run} the logs of {found} are here.")
        facts: dict[str, Fact] = {"sites": max(view.seats for view in views), "run": run[1], "found": len(here)}
        yield MASKED.unverifiable(place, "few_logs", sentence, **facts)


def _led(logs: Logs, run: RunName, coordinator: str) -> RecordedRun | None:
    log = logs.get(coordinator)
    return None if log is None else log.runs.get(run[1])


# -- accusations


def _strangers(log: Statements, logs: Logs) -> Iterator[AuditFinding]:
    for said, admission in _accused(log):
        if admission is None:
            continue
        facts = admission.facts
        coordinator = str(facts.get("coordinator", facts["user"]))
        run = _led(logs, (facts["user"], said.run, ""), coordinator)
        if run is not None and said.named not in run.sites | {coordinator, facts["user"]}:
            place = LogPosition(log.origin, said.index)
            told = {"site": log.origin, "party": said.named, "run": said.run}
            yield MASKED.failed(place, "stranger", STRANGER, **told)
