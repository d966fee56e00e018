"""The rules of a run: which state follows which, who is still in, how many are needed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from medspace.core.errors import MedspaceError
from medspace.core.text import Fact, Text
from medspace.learning.errors import SiteFaultError, TooFewSitesError
from medspace.learning.ports import Demands
from medspace.learning.runs.model import Failure, Fault, Run, RunState, Seat

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


def check_attendance(demands: Demands, run: Run) -> None:
    """Whether the run may go on with the sites that are in.

    Raises:
        SiteFaultError: a site failed and the task demands every site.
        TooFewSitesError: fewer are in than needed.
    """
    if run.faults and demands.site_faults == "fail":
        raise SiteFaultError(site=run.faults[0].site, fault=run.faults[0].code)
    seats = seated(run)
    least = needed(demands, seats)
    if len(seats) < least:
        raise TooFewSitesError(answered=len(seats), asked=len(run.seats), needed=least)


def min_cohort(demands: Demands, seat: Seat) -> int:
    """The fewest persons who must stand behind a site's answer."""
    return max(demands.min_cohort, seat.min_cohort)


def fault(seat: Seat, round_number: int, error: MedspaceError) -> Fault:
    """The record of what went wrong at a site."""
    return Fault(seat.site, round_number, error.code, error.sentence, _plain({**error.facts, "site": seat.site}))


def failure(error: MedspaceError) -> Failure:
    """The record of why a run failed."""
    return Failure(error.code, error.sentence, error.next_step, _plain(error.facts))


def _plain(facts: Mapping[str, Fact | Text]) -> dict[str, str | int]:
    return {name: fact if isinstance(fact, int) else str(fact) for name, fact in facts.items()}
