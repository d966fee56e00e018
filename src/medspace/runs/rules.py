"""The rules of a run: which state follows which, who is still in, how many are needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED, MASKED_SUMS
from medspace.core.text import Fact, Text
from medspace.privacy.masking.thresholds import LEAST_SITES
from medspace.runs.errors import (
    DepartureError,
    RunError,
    SiteAwayError,
    SiteError,
    SiteRefusedError,
    SitesAwayError,
    SitesRefusedError,
    TooFewAskedError,
    TooFewGroupedError,
    TooFewMaskedError,
    TooFewSitesError,
)
from medspace.runs.model import Fault, Run, RunFailure, RunState, Seat
from medspace.runs.ports import Algorithm, Demands, Protecting

TRANSITIONS: Mapping[RunState, frozenset[RunState]] = MappingProxyType(
    {
        RunState.CREATED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
        RunState.RUNNING: frozenset({RunState.FINISHED, RunState.FAILED, RunState.CANCELLED}),
        RunState.FINISHED: frozenset(),
        RunState.FAILED: frozenset(),
        RunState.CANCELLED: frozenset(),
    }
)


def may_follow(before: RunState, after: RunState) -> bool:
    """Whether a run may go from one state to the other."""
    return after in TRANSITIONS[before]


def moved(run: Run, state: RunState) -> Run:
    """The run in its next state.

    Raises:
        ValueError: the table knows no such transition; the code that asks for it is wrong.
    """
    if not may_follow(run.state, state):
        raise ValueError(f"a run that is {run.state.value} does not become {state.value}")
    return replace(run, state=state)


def ended(run: Run, state: RunState, failure: RunFailure, time: str, by: str) -> Run:
    """The run once it ended without a model; `by` is the actor that cancelled it, if one did."""
    return replace(moved(run, state), failure=failure, ended=time, cancelled_by=by)


def over(state: RunState) -> bool:
    """Whether nothing follows."""
    return not TRANSITIONS[state]


def seated(run: Run) -> tuple[Seat, ...]:
    """The sites that are still in, in the order of the run."""
    gone = {fault.site for fault in run.faults}
    return tuple(seat for seat in run.seats if seat.site not in gone)


def needed(demands: Demands, seats: Sequence[Seat]) -> int:
    """How many sites must answer: what the task and every agreement of those that are in demand; at least one."""
    return max(1, demands.min_sites, *(seat.min_sites for seat in seats), 1)


def protected(algorithm: Algorithm, task: JsonObject, seats: Sequence[Seat]) -> JsonObject:
    """The task with the protection that the agreements name, where it says none and its kind has a choice.

    Without a word of anybody it is masked.
    """
    if "protection" in task or not isinstance(algorithm, Protecting):
        return task
    named = {seat.protection for seat in seats} - {""}
    return {**task, "protection": named.pop() if len(named) == 1 else MASKED_SUMS}


def promised(demands: Demands, seats: Sequence[Seat]) -> int:
    """With how many sites at least the manifest says that the run goes on; under masks, how many a total hides among.

    How many sites the task wants besides is looked at here and is nothing that protects them (`check_attendance`).
    """
    if demands.protection in MASKED:
        return max(LEAST_SITES, *(seat.min_sites for seat in seats), 1)
    return min(needed(demands, seats), len(seats))


def writing(run: Run, carried: Mapping[str, Mapping[str, str]]) -> int:
    """From how many seats mail is under way, or may come: those that are in, and those that have left some."""
    return len({seat.site for seat in seated(run)}.union(*carried.values()))


def undelivered(
    before: Mapping[str, Mapping[str, str]], asked: Sequence[str], new: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """The messages that are carried to the next round, by recipient and sender: those who were asked have theirs."""
    left = {site: dict(mail) for site, mail in before.items() if site not in asked}
    for site, mail in new.items():
        left[site] = {**left.get(site, {}), **mail}
    return left


def allowed(demands: Demands, run: Run) -> Demands:
    """What is demanded of the sites of this run: it may have been told to go on without those that are missing."""
    return replace(demands, site_faults="exclude") if run.without_missing else demands


def check_attendance(demands: Demands, run: Run) -> None:
    """Whether the run may go on with the sites that are in.

    Raises:
        SitesRefusedError, SitesAwayError: sites are missing, and nobody said to go on without them.
        DepartureError: the contract of one that is missing does not let the run go on without it.
        TooFewSitesError: fewer are left than needed.
        TooFewAskedError: fewer were asked than needed; TooFewMaskedError, TooFewGroupedError: than masks take.
    """
    bound = bound_to_stay(demands, run)
    refusals = [fault for fault in run.faults if not fault.away]
    asked_to_end = bool(run.faults) and demands.site_faults == "fail"
    if bound and not (asked_to_end and refusals):
        raise DepartureError(bound=", ".join(bound))
    if asked_to_end:
        kind = SitesRefusedError if refusals else SitesAwayError
        raise kind(**_first(refusals or run.faults))
    seats = seated(run)
    if demands.protection in MASKED and seats:
        _check_masks(demands, run, seats)
    least = needed(demands, seats)
    if not run.faults and len(seats) < least:
        raise TooFewAskedError(asked=len(run.seats), needed=least)
    if len(seats) < least:
        raise TooFewSitesError(answered=len(seats), asked=len(run.seats), needed=least)


def _check_masks(demands: Demands, run: Run, seats: Sequence[Seat]) -> None:
    """Sites would refuse a run of fewer (`seating.masks`): say so before any of them is asked."""
    hidden, others = promised(demands, seats), max(seat.colluders for seat in seats)
    needed_ = demands.groups * (hidden + others)
    if len(seats) >= needed_:
        return
    if run.faults:
        raise TooFewSitesError(answered=len(seats), asked=len(run.seats), needed=needed_)
    facts = {"asked": len(run.seats), "needed": needed_, "hidden": hidden, "others": others}
    if demands.groups > 1:
        raise TooFewGroupedError(groups=demands.groups, **facts)
    raise TooFewMaskedError(**facts)


def bound_to_stay(demands: Demands, run: Run) -> tuple[str, ...]:
    """The sites that went missing once sums were masked with theirs, against what their own contracts say.

    Of totals with noise no contract has to say it: what their difference tells is paid for. The sites see to it.
    """
    if run.protection not in MASKED or demands.bounded:
        return ()
    # A seat that is lost before the first round is in no manifest that anything was asked under.
    return tuple(fault.site for fault in run.faults if fault.round and fault.site not in run.leaving)


@dataclass(frozen=True, slots=True)
class Cause:
    """What is the same at several sites."""

    code: str
    reason: Text
    advice: Text
    sites: tuple[str, ...]
    away: bool


def causes(faults: Sequence[Fault]) -> tuple[Cause, ...]:
    """The faults by what is wrong: what sites refuse first, in the order of the faults."""
    found: dict[tuple[bool, str, str], list[Fault]] = {}
    for fault in faults:
        found.setdefault((fault.away, fault.code, str(fault.reason)), []).append(fault)
    groups = sorted(found.values(), key=lambda same: same[0].away)
    return tuple(
        Cause(same[0].code, same[0].reason, same[0].advice, tuple(fault.site for fault in same), same[0].away)
        for same in groups
    )


def _first(faults: Sequence[Fault]) -> dict[str, Fact | Text]:
    cause = causes(faults)[0]
    return {"sites": ", ".join(cause.sites), "reason": cause.reason}


def min_cohort(demands: Demands, seat: Seat) -> int:
    """The fewest persons who must stand behind a site's answer."""
    return max(demands.min_cohort, seat.min_cohort)


def fault(seat: Seat, round_number: int, error: SiteError) -> Fault:
    """The record of what went wrong at a site; what it told itself is kept as its own words."""
    told = error if isinstance(error, SiteRefusedError) else None
    advice = told.advice_told if told else ""
    return Fault(
        site=seat.site,
        round=round_number,
        code=(told.refusal if told else "") or error.code,
        sentence=error.sentence,
        facts=_kept({**error.facts, "site": seat.site} | ({"advice": advice} if advice else {})),
        cause=error.cause,
        next_step="{advice}" if advice else error.next_step,
        away=isinstance(error, SiteAwayError),
    )


def lost(run: Run, faults: Sequence[Fault]) -> Run:
    """The run without those sites, each lost during the question that the run is in."""
    return replace(run, faults=run.faults + tuple(replace(one, question=run.asked) for one in faults))


def failure(error: RunError, faults: Sequence[Fault] = ()) -> RunFailure:
    """The record of why a run failed: where sites refused, under the code of their one cause, if it is only one."""
    by_sites = bool(faults) and isinstance(
        error, SitesRefusedError | SitesAwayError | DepartureError | TooFewSitesError
    )
    found = (
        {cause.code for cause in causes(faults) if not cause.away} if isinstance(error, SitesRefusedError) else set()
    )
    code = found.pop() if len(found) == 1 and SiteRefusedError.code not in found else error.code
    return RunFailure(code, error.sentence, error.next_step, _kept(error.facts), error.exit_code, by_sites)


def _kept(facts: Mapping[str, Fact | Text]) -> dict[str, str | int | Text]:
    """Facts as records keep them: texts stay texts, to be said in any language; a fraction becomes text."""
    return {name: _fact(fact) for name, fact in facts.items()}


def _fact(fact: Fact | Text) -> str | int | Text:
    if isinstance(fact, Text):
        return Text(fact.msgid, dict(_kept(fact.facts)))
    return fact if isinstance(fact, int) else str(fact)
