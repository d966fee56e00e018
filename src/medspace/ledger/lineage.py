"""Where a model came from: dataset -> agreement -> round -> model, with the protections that were off.

A pure function of what logs say. With the coordinator's log alone the story has sites and rounds; the sites' logs add
which datasets were used and for which purpose. It is only as good as the logs: audit them first. The form is that
of W3C PROV (PROV-DM; the member submission PROV-JSON): entities, activities, agents, and relations between them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED, MASKED_GROUPS, MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.text import Fact, Text, counted, msgid
from medspace.ledger.errors import NoSuchRunError
from medspace.ledger.statements import LogLine, RecordedRun, Statements

Logs = Mapping[str, Statements]

SUMMED, OPENED = "contribute", "open"  # steps of a run under masks (`runs.masked`)

# What a run's protection means to the people whose data it used. A code that is not listed is shown unchanged.
PROTECTIONS = MappingProxyType(
    {
        COORDINATOR_SEES_SUMS: msgid("Protection off: the coordinator saw the sums of each site by itself."),
        MASKED_SUMS: msgid("Protection on: only sums over all sites were opened, among the sites alone."),
        MASKED_GROUPS: msgid(
            "Protection on: only sums over whole groups of sites were opened, among the sites alone."
        ),
        MASKED_WEIGHTS: msgid(
            "Protection on in part: only sums over all sites were opened, among the sites alone; but the "
            "coordinator could choose weights, since no site could check the large sums that it brought."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class SiteContribution:
    """What one site gave to a run: agreements, datasets, purposes, and the number of releases that the run used.

    `contents` are digests of what the datasets held when their uses were admitted: (asset, digest).
    """

    site: str
    agreements: tuple[str, ...]
    assets: tuple[str, ...]
    purposes: tuple[str, ...]
    releases: int
    contents: tuple[tuple[str, str], ...] = ()

    def digests(self, asset: str) -> list[str]:
        """The digests of what a dataset held: more than one where it changed during the run."""
        return [digest for name, digest in self.contents if name == asset]


@dataclass(frozen=True, slots=True)
class SignedQuestion:
    """One question of a masked run as its sites signed it: the objective ("" where there is none), who took part."""

    objective: str
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the story for people; `depth` is its indentation."""

    depth: int
    text: Text


def runs(logs: Logs) -> list[tuple[str, str]]:
    """Every run that the logs know of: (coordinator, run), in the order in which they began."""
    found = [
        (run.started.entry.time, log.origin, run.id)
        for log in logs.values()
        for run in log.runs.values()
        if run.started
    ]
    return [(origin, run) for _, origin, run in sorted(found)]


def prov(logs: Logs, run_id: str, opened: Sequence[SignedQuestion] = ()) -> JsonObject:
    """The lineage of one run as JSON in the shape of PROV; `opened` is what the sites of a masked one signed.

    Raises:
        NoSuchRunError: no log knows the run.
    """
    log, run = _find(logs, run_id)
    document = _ProvDocument()
    document.run(log.origin, run)
    for source in sources(logs, run_id):
        document.source(run, source)
    for line in run.rounds:
        document.round(run, line)
    for number, question in enumerate(opened, 1):
        document.question(run, number, question)
    if run.finished:
        document.model(log.origin, run, run.finished)
    return document.content


def tree(logs: Logs, run_id: str, opened: Sequence[SignedQuestion] = ()) -> list[Branch]:
    """The lineage of one run in sentences; `opened` is what the sites of a masked one signed of its questions.

    Raises:
        NoSuchRunError: no log knows the run.
    """
    log, run = _find(logs, run_id)
    questions = (_question(number, question) for number, question in enumerate(opened, 1))
    return [*_head(logs, log.origin, run), *_body(logs, run), *questions]


def sources(logs: Logs, run_id: str) -> list[SiteContribution]:
    """What each site gave to a run, in the order of the sites.

    Raises:
        NoSuchRunError: no log knows the run.
    """
    log, run = _find(logs, run_id)
    return [_source(logs, log, run, site) for site in run.facts.get("sites", ())]


def _find(logs: Logs, run_id: str) -> tuple[Statements, RecordedRun]:
    for log in logs.values():
        if run_id in log.runs:
            return log, log.runs[run_id]
    raise NoSuchRunError(run=run_id)


def _source(logs: Logs, log: Statements, run: RecordedRun, site: str) -> SiteContribution:
    named = set(run.facts["agreements"])
    user = logs.get(run.user or log.origin)
    known = user.agreements if user else {}
    agreed = {identity for party, identity in known if party == site and identity in named}
    assets = {asset for identity in agreed for asset in known[site, identity].assets}
    theirs = logs.get(site)
    lines = list(_admissions(theirs, log.origin, run))
    admitted = [line.facts for line in lines]
    contents = {(line.facts["asset"], theirs.content(line)) for line in lines} if theirs else set()
    return SiteContribution(
        site,
        tuple(sorted(agreed | {facts["agreement"] for facts in admitted})),
        tuple(sorted(assets | {facts["asset"] for facts in admitted})),
        tuple(sorted({facts["purpose"] for facts in admitted})),
        sum(answer["site"] == site for line in run.rounds for answer in line.facts["answers"]),
        tuple(sorted((asset, digest) for asset, digest in contents if digest is not None)),
    )


def _admissions(site: Statements | None, coordinator: str, run: RecordedRun) -> Iterator[LogLine]:
    user = run.user or coordinator
    for line in site.admissions.values() if site else ():
        asked = line.facts["user"], line.facts.get("coordinator", user), line.facts["task"]
        if asked == (user, coordinator, run.facts.get("task")):
            yield line


# -- for people


def _head(logs: Logs, coordinator: str, run: RecordedRun) -> Iterator[Branch]:
    if run.finished:
        facts: dict[str, Fact | Text] = {"model": run.finished.facts["model"], "rounds": run.finished.facts["rounds"]}
        asked = sum(line.facts["step"] == SUMMED for line in run.rounds)
        facts["questions"] = counted(asked, msgid("{count} question"), msgid("{count} questions"))
        masked = msgid("Model {model}, made of {questions} in {rounds} steps.")
        plain = msgid("Model {model}, made in {rounds} rounds.")
        yield Branch(0, Text(masked if _masked(run) else plain, facts))
    elif run.failed:
        facts = {"run": run.id, "code": run.ends[0].facts.get("code", "-")}
        yield Branch(0, Text(msgid("No model: the run {run} failed ({code})."), facts))
    else:
        yield Branch(0, Text(msgid("No model yet: the run {run} has not finished."), {"run": run.id}))
    yield Branch(1, _trained(coordinator, run))
    yield Branch(1, _protection(logs, coordinator, run))
    for site, code in missing(run):
        facts = {"site": site, "code": code}
        yield Branch(1, Text(msgid("{site} was asked but did not take part to the end ({code})."), facts))


def _trained(coordinator: str, run: RecordedRun) -> Text:
    facts = {"party": coordinator, "run": run.id, "user": run.user}
    if run.user:
        return Text(msgid("Trained for {user} in the run {run}, which {party} led."), facts)
    return Text(msgid("Trained by {party} in the run {run}."), facts)


def _protection(logs: Logs, coordinator: str, run: RecordedRun) -> Text:
    """What the coordinator saw; a run to which nothing was released has nothing to protect."""
    if not run.finished and not run.rounds and not _released(logs, coordinator, run):
        if all(site in logs for site in run.facts.get("sites", ())):
            return Text(msgid("Nothing was released to it."))
        return Text(msgid("No round of it was completed; whether a site released anything is in that site's log."))
    protection = run.facts.get("protection", "")
    return Text(PROTECTIONS.get(protection, msgid("Protection: {protection}.")), {"protection": protection})


def _released(logs: Logs, coordinator: str, run: RecordedRun) -> bool:
    """Whether a site's log has a release to the run. Another run of the same task may have come before or after."""
    begun = run.started.time if run.started else ""
    over = run.ends[0].time if run.ends else None
    for site in map(logs.get, run.facts.get("sites", ())):
        admitted = {line.facts["admission"] for line in _admissions(site, coordinator, run)}
        for line in site.releases.values() if site else ():
            within = begun <= line.time and (over is None or line.time <= over)
            if within and line.facts["admission"] in admitted:
                return True
    return False


def missing(run: RecordedRun) -> list[tuple[str, str]]:
    """The sites that a run went on or ended without, each with the code of its reason."""
    end = run.finished or next(iter(run.ends), None)
    said = end.facts if end else {}
    return list(zip(said.get("missing", ()), said.get("reasons", ()), strict=False))


def _body(logs: Logs, run: RecordedRun) -> Iterator[Branch]:
    for source in sources(logs, run.id):
        releases = counted(source.releases, msgid("{count} release"), msgid("{count} releases"))
        yield Branch(1, Text(msgid("{site} gave {releases}."), {"site": source.site, "releases": releases}))
        for asset in source.assets:
            yield Branch(2, Text(msgid("Dataset {asset}."), {"asset": asset}))
            for digest in source.digests(asset):
                yield Branch(3, Text(msgid("Its content has the digest {digest}."), {"digest": digest}))
        if not source.assets:
            yield Branch(2, Text(msgid("The dataset is unknown without the log of {site}."), {"site": source.site}))
        for agreement in source.agreements:
            yield Branch(2, Text(msgid("Under the agreement {agreement}."), {"agreement": agreement}))
        for purpose in source.purposes:
            yield Branch(2, Text(msgid("For the purpose {purpose}."), {"purpose": purpose}))
    for line in run.rounds:
        if not _masked(run):
            yield _round(line)
    if _masked(run):
        yield from _questions(run)


def _masked(run: RecordedRun) -> bool:
    return run.facts.get("protection") in MASKED


def _questions(run: RecordedRun) -> Iterator[Branch]:
    """The questions of a run under masks: of the steps of each, how many were in the sum, and how many opened it."""
    steps = [(str(line.facts["step"]), len(line.facts["answers"])) for line in run.rounds]
    starts = [at for at, (step, _) in enumerate(steps) if step == SUMMED]
    for number, (at, end) in enumerate(pairwise([*starts, len(steps)]), 1):
        said = dict(steps[at:end])
        opened = counted(said.get(OPENED, 0), msgid("{count} site"), msgid("{count} sites"))
        facts: dict[str, Fact | Text] = {"question": number, "summed": said[SUMMED], "sites": opened}
        yield Branch(1, Text(msgid("Question {question}: {summed} gave sums, {sites} opened the total."), facts))


def _round(line: LogLine) -> Branch:
    answered = counted(len(line.facts["answers"]), msgid("{count} site"), msgid("{count} sites"))
    facts: dict[str, Fact | Text] = {"round": line.facts["round"], "step": line.facts["step"], "sites": answered}
    return Branch(1, Text(msgid("Round {round} ({step}): {sites} answered."), facts))


def _question(number: int, opened: SignedQuestion) -> Branch:
    facts: dict[str, Fact] = {"question": number, "objective": opened.objective, "sites": ", ".join(opened.sites)}
    if not opened.objective:
        return Branch(1, Text(msgid("Question {question}: in its total were {sites}."), facts))
    return Branch(1, Text(msgid("Question {question}: objective {objective}; in its total were {sites}."), facts))


# -- for programs


class _ProvDocument:
    """PROV-JSON in the making: sections of records by identity; a relation's identity tells what it relates."""

    def __init__(self) -> None:
        self.content: JsonObject = {"prefix": {"medspace": "urn:medspace:prov:"}}

    def put(self, section: str, identity: str, **attributes: object) -> None:
        self.content.setdefault(section, {})[identity] = {
            name.replace("_", ":", 1): value for name, value in attributes.items()
        }

    def relate(self, section: str, **ends: str) -> None:
        first, second = ends.values()
        self.put(section, f"_:{section}:{first}:{second}", **{f"prov_{name}": end for name, end in ends.items()})

    def run(self, coordinator: str, run: RecordedRun) -> None:
        self.put("agent", coordinator, prov_type="prov:Organization")
        facts = {"medspace_task": run.facts.get("task"), "medspace_protection": run.facts.get("protection")}
        times = {"prov_startTime": run.started.entry.time if run.started else None}
        if run.finished:
            times["prov_endTime"] = run.finished.entry.time
        if missing(run):
            facts["medspace_missing"] = [f"{site} {code}" for site, code in missing(run)]
        self.put("activity", run.id, prov_type="medspace:Run", **times, **facts)
        self.relate("wasAssociatedWith", activity=run.id, agent=coordinator)
        if run.user:  # PROV-DM 5.3.4: the coordinator acted in place of the user
            self.put("agent", run.user, prov_type="prov:Organization")
            self.relate("actedOnBehalfOf", delegate=coordinator, responsible=run.user)

    def source(self, run: RecordedRun, source: SiteContribution) -> None:
        self.put("agent", source.site, prov_type="prov:Organization")
        for asset in source.assets:
            dataset = dataset_id(source.site, asset)
            contents = source.digests(asset)
            attributes = {"medspace_digest": contents} if contents else {}
            self.put("entity", dataset, prov_type="medspace:Dataset", medspace_asset=asset, **attributes)
            self.relate("wasAttributedTo", entity=dataset, agent=source.site)
            self.relate("used", activity=run.id, entity=dataset)
        for agreement in source.agreements:
            purposes = {"medspace_purpose": list(source.purposes)} if source.purposes else {}
            self.put("entity", agreement, prov_type="medspace:Agreement", **purposes)
            self.relate("wasAttributedTo", entity=agreement, agent=source.site)
            self.relate("used", activity=run.id, entity=agreement)

    def round(self, run: RecordedRun, line: LogLine) -> None:
        facts = line.facts
        activity = f"{run.id}/{facts['round']}"
        self.put(
            "activity",
            activity,
            prov_type="medspace:Round",
            medspace_step=facts["step"],
            prov_endTime=line.entry.time,
        )
        self.relate("wasInformedBy", informed=run.id, informant=activity)
        for answer in facts["answers"]:
            release = answer["release"]
            self.put("entity", release, prov_type="medspace:Release", medspace_digest=answer["digest"])
            self.relate("wasAttributedTo", entity=release, agent=answer["site"])
            self.relate("used", activity=activity, entity=release)

    def question(self, run: RecordedRun, number: int, opened: SignedQuestion) -> None:
        activity = f"{run.id}/question/{number}"
        facts = {"medspace_objective": opened.objective} if opened.objective else {}
        self.put("activity", activity, prov_type="medspace:Question", medspace_sites=list(opened.sites), **facts)
        self.relate("wasInformedBy", informed=run.id, informant=activity)

    def model(self, coordinator: str, run: RecordedRun, finished: LogLine) -> None:
        model = finished.facts["model"]
        self.put("entity", model, prov_type="medspace:Model", medspace_protection=finished.facts["protection"])
        self.relate("wasGeneratedBy", entity=model, activity=run.id)
        self.relate("wasAttributedTo", entity=model, agent=coordinator)
        for dataset, attributes in self.content["entity"].items():
            if attributes["prov:type"] == "medspace:Dataset":
                self.relate("wasDerivedFrom", generatedEntity=model, usedEntity=dataset)


def dataset_id(site: str, asset: str) -> str:
    """The identity of a site's dataset in a lineage; two sites may have chosen the same name."""
    return f"{site}#{asset}"
