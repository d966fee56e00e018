"""Who was asked in a run, who took part, who not and why: as JSON for every output, in names that people know."""

from collections.abc import Callable, Mapping, Sequence

from medspace.app.waiting import Absence, AtWork, Waiting
from medspace.connector.usage.spent import COUNT
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.runs.model import Failure, Fault, Lineage, Run
from medspace.runs.rules import Cause, causes, over

Speak = Callable[[str], str]
Names = Mapping[str, str]

TOOK_PART, ASKED, WAITED_FOR, REFUSED, AWAY = "took_part", "asked", "waited_for", "refused", "away"
LEADS = "leads"
MOST_NAMED = 5  # sites whose names stand in one sentence
_AGREE_ANEW = msgid(
    "The agreement is used up: `medspace negotiate` asks the holder for a new one; or train without it: "
    "--without-missing."
)


def of_run(run: Run, waiting: Waiting, names: Names, speak: Speak) -> list[JsonObject]:
    """Each site of a run, in its order: its agreement and how it stands with it.

    `status` is `took_part` (of a run that is finished), `asked` (it is in, or the run ended before it was known),
    `waited_for` (with `seconds_left`), `refused` or `away`; the last three come with `code`, `sentence`, `next_step`.
    One that was `asked` and works on a long step has `percent`, and in `seconds_left` how long it may still need.
    """
    faults = {fault.site: fault for fault in run.faults}
    absent = {} if over(run.state) else waiting.of(run.id)
    done = TOOK_PART if run.model else ASKED
    return [
        _site(seat.site, names, done)
        | {"agreement": seat.agreement}
        | _standing(faults.get(seat.site), speak)
        | _at_work(waiting.at_work(run.id, seat.site), waiting)
        | _waited(absent.get(seat.site), waiting, speak)
        for seat in run.seats
    ]


def coordinator(run: Run, waiting: Waiting, names: Names, speak: Speak) -> JsonObject | None:
    """Who leads a run that was handed over, and whether it is waited for; None where this connector leads it."""
    if not run.coordinator:
        return None
    absent = None if over(run.state) else waiting.of(run.id).get(run.coordinator)
    said = {name: value for name, value in _site(run.coordinator, names, LEADS).items() if name != "site"}
    return {"did": run.coordinator} | said | _waited(absent, waiting, speak)


def of_model(lineage: Lineage, names: Names, speak: Speak) -> list[JsonObject]:
    """Each site that was asked for a model; one may have taken part in the fit and left before it was measured."""
    faults = {fault.site: fault for fault in lineage.missing}
    return [
        _site(site, names, ASKED)
        | _standing(faults.get(site), speak)
        | ({"status": TOOK_PART} if site in lineage.sites else {})
        for site in lineage.asked or lineage.sites
    ]


def lost(fault: Fault) -> JsonObject:
    """Which site a run goes on without, since when: the round, and under masks the question (None: before any)."""
    return {"site": fault.site, "round": fault.round, "question": fault.question or None, "code": fault.code}


def _site(site: str, names: Names, status: str) -> JsonObject:
    nothing = {"code": None, "sentence": None, "next_step": None, "round": None, "question": None}
    nothing |= {"seconds_left": None, "percent": None}
    return {"site": site, "name": names.get(site, site), "status": status, **nothing}


def _standing(fault: Fault | None, speak: Speak) -> JsonObject:
    if fault is None:
        return {}
    return {
        "status": AWAY if fault.away else REFUSED,
        "code": fault.code,
        "sentence": fault.reason.render(speak),
        "next_step": _advice(fault, speak),
        "round": fault.round,
        "question": fault.question or None,
    }


def _at_work(at_work: AtWork | None, waiting: Waiting) -> JsonObject:
    return {} if at_work is None else {"percent": at_work.percent, "seconds_left": waiting.left(at_work)}


def _waited(absence: Absence | None, waiting: Waiting, speak: Speak) -> JsonObject:
    if absence is None:
        return {}
    return {
        "status": WAITED_FOR,
        "sentence": absence.reason.render(speak),
        "seconds_left": waiting.left(absence),
    }


# --- why a run failed ---------------------------------------------------------------------------------------------


def problem(run: Run, names: Names, speak: Speak) -> JsonObject | None:
    """Why a run failed: the reason of its sites first, each cause once, with the sites that have it."""
    failure = run.failure
    if failure is None:
        return None
    found = causes(run.faults) if failure.by_sites else ()
    told = [_cause(cause, len(run.seats), names, speak) for cause in found]
    return {
        "code": failure.code,
        "sentence": _sentence(failure, told, speak),
        "next_step": told[0]["next_step"] if told and _ends(failure) else failure.advice.render(speak),
        "exit_code": failure.exit_code,
        "causes": told,
    }


def _cause(cause: Cause, asked: int, names: Names, speak: Speak) -> JsonObject:
    who = _who(cause.sites, asked, names, speak)
    reason = cause.reason.render(speak)
    return {
        "code": cause.code,
        "sentence": Text(msgid("{sites}: {reason}"), {"sites": who, "reason": reason}).render(speak),
        "next_step": _advice(cause, speak),
        "sites": [{"site": site, "name": names.get(site, site)} for site in cause.sites],
    }


def _who(sites: Sequence[str], asked: int, names: Names, speak: Speak) -> str:
    if len(sites) == asked > 1:
        return Text(msgid("All {count} hospitals"), {"count": asked}).render(speak)
    named = ", ".join(names.get(site, site) for site in sites[:MOST_NAMED])
    if len(sites) <= MOST_NAMED:
        return named
    return Text(msgid("{sites} and {more} more"), {"sites": named, "more": len(sites) - MOST_NAMED}).render(speak)


def _sentence(failure: Failure, told: Sequence[JsonObject], speak: Speak) -> str:
    if not told:
        return failure.text.render(speak)
    said = [] if _ends(failure) else [failure.text.render(speak)]
    return " ".join([str(one["sentence"]) for one in told] + said)


def _ends(failure: Failure) -> bool:
    """Whether a failure says no more than its causes: nobody had said to go on without the sites."""
    return "sites" in failure.facts


def _advice(refused: Cause | Fault, speak: Speak) -> str:
    """What to do about it: the holder may know better, but not which command agrees anew."""
    return refused.advice.render(speak) if refused.code != COUNT else Text(_AGREE_ANEW).render(speak)
