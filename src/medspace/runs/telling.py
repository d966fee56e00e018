"""What a coordinator tells the user of a run, and what the user makes of it: outside words, read with bounds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject, exact
from medspace.core.hashing import digest
from medspace.core.text import Text, plain
from medspace.ledger.kinds import ANSWER
from medspace.runs.model import Fault, Lineage, LineageRound, Model, Run, RunFailure, RunState

LONGEST_WORDS = 1000  # characters of a sentence
MOST_ROUNDS = 1_000_000
WORDS, ADVICE = "{words}", "{advice}"

_Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{1,100}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class ToldFault(msgspec.Struct, frozen=True):
    """Why a site's answers are not used (`model.Fault`), as sentences in English."""

    site: str
    round: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROUNDS)]
    code: _Code
    sentence: str
    reason: str
    advice: str
    away: bool = False
    question: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROUNDS)] = 0

    @property
    def record(self) -> Fault:
        """As it is kept: its words are no sentences of ours."""
        facts = {"words": _words(self.sentence), "reason": _words(self.reason), "advice": _words(self.advice)}
        return Fault(self.site, self.round, self.code, WORDS, facts, "{reason}", ADVICE, self.away, self.question)


class ToldFailure(msgspec.Struct, frozen=True):
    """Why the run failed (`model.RunFailure`); `by_causes` says that the faults of its sites say it all."""

    code: _Code
    sentence: str
    advice: str
    exit_code: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    by_sites: bool = False
    by_causes: bool = False

    @property
    def record(self) -> RunFailure:
        """As it is kept: its words are no sentences of ours."""
        facts: dict[str, str | int | Text] = {"words": _words(self.sentence), "advice": _words(self.advice)}
        facts |= {"sites": ""} if self.by_causes else {}
        return RunFailure(self.code, WORDS, ADVICE, facts, self.exit_code, self.by_sites)


class ToldModel(msgspec.Struct, frozen=True):
    """What came of the run: its result, the sites that it was made of, and every round."""

    result: JsonObject
    rows: _Count
    sites: Annotated[list[str], msgspec.Meta(min_length=1, max_length=limits.SEATS)]
    rounds: Annotated[list[LineageRound], msgspec.Meta(min_length=1, max_length=limits.ROUNDS)]
    seconds: Annotated[float, msgspec.Meta(ge=0)]
    digest: str


class RunStatus(msgspec.Struct, frozen=True):
    """How a run stands. `version` changes whenever that does."""

    state: Literal["created", "running", "finished", "failed", "cancelled"]
    round: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROUNDS)]
    version: Annotated[str, msgspec.Meta(max_length=100)]
    faults: Annotated[list[ToldFault], msgspec.Meta(max_length=limits.SEATS)] = []
    failure: ToldFailure | None = None
    model: ToldModel | None = None

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self.state not in ("created", "running")


# --- the coordinator's side -----------------------------------------------------------------------------------------


def tell(run: Run, model: Model | None) -> RunStatus:
    """What the user of a run is told of it."""
    faults = [_fault(fault) for fault in run.faults]
    failure = None if run.failure is None else _failure(run.failure)
    version = digest([run.state.value, run.round, len(faults)]).removeprefix("sha256:")
    made = None if model is None or run.state is not RunState.FINISHED else _model(model)
    return RunStatus(run.state.value, run.round, version, faults, failure, made)


def _fault(fault: Fault) -> ToldFault:
    sentence, reason, advice = (_words(str(text)) for text in (fault.text, fault.reason, fault.advice))
    return ToldFault(fault.site, fault.round, fault.code, sentence, reason, advice, fault.away, fault.question)


def _failure(failure: RunFailure) -> ToldFailure:
    sentence, advice = (_words(str(text)) for text in (failure.text, failure.advice))
    by_causes = "sites" in failure.facts
    return ToldFailure(failure.code, sentence, advice, failure.exit_code, failure.by_sites, by_causes)


def _model(model: Model) -> ToldModel:
    lineage = model.lineage
    return ToldModel(model.result, model.rows, list(lineage.sites), list(lineage.rounds), model.seconds, model.digest)


# --- the user's side ------------------------------------------------------------------------------------------------


def heard(run: Run, told: RunStatus) -> Run:
    """The run with its progress: rounds that are behind it, and who was lost; of each site the first reason."""
    known = {fault.site for fault in run.faults}
    seats = {seat.site for seat in run.seats}
    new: dict[str, Fault] = {}
    for fault in told.faults:
        if fault.site in seats - known:
            new.setdefault(fault.site, fault.record)
    return replace(run, round=max(run.round, told.round), faults=(*run.faults, *new.values()))


def received(run: Run, told: ToldModel, model_id: str, created: str) -> Model | None:
    """The model that came of a run that was handed over; None where what is told of it cannot be right."""
    sites = tuple(told.sites)
    seats = [seat.site for seat in run.seats]
    content = {"task": run.task, "rows": told.rows, "sites": sites, "result": told.result}
    if len(set(sites)) < len(sites) or not set(sites) <= set(seats) or _digest(content) != told.digest:
        return None
    if any(_odd(past, seats) for past in told.rounds):
        return None
    lineage = Lineage(
        run=run.id,
        task=run.task_digest,
        agreements=tuple(seat.agreement for seat in run.seats if seat.site in sites),
        sites=sites,
        rounds=tuple(told.rounds),
        protection=run.protection,
        asked=tuple(seats),
        missing=run.faults,
        coordinator=run.coordinator,
        manifest=run.manifest,
    )
    return Model(
        id=model_id,
        created=created,
        task=run.task,
        task_digest=run.task_digest,
        result=told.result,
        rows=told.rows,
        rounds=len(told.rounds),
        seconds=told.seconds,
        lineage=lineage,
        digest=told.digest,
    )


def _odd(past: LineageRound, seats: Sequence[str]) -> bool:
    return any(answer.site not in seats or ANSWER.flaw(answer.facts) is not None for answer in past.answers)


def _digest(content: JsonObject) -> str:
    try:
        return digest(exact(content))
    except (ValueError, RecursionError):
        return ""


def _words(text: str) -> str:
    return plain(text)[:LONGEST_WORDS]
