"""Which sites were asked in a run, which took part, and why others did not: as JSON for every output, with names."""

from collections.abc import Callable, Mapping, Sequence

from medspace.app.features.training.waiting import Absence, AtWork, Waiting
from medspace.app.node.retelling import rendered
from medspace.connector.usage.spent import COUNT
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.runs.model import Fault, Lineage, Run, RunFailure
from medspace.runs.rules import Cause, causes, over

Speak = Callable[[str], str]
Names = Mapping[str, str]

TOOK_PART, ASKED, WAITED_FOR, REFUSED, AWAY = "took_part", "asked", "waited_for", "refused", "away"
LEADS = "leads"
MOST_NAMED = 5  # sites named in one sentence
_AGREE_ANEW = msgid(
    "The agreement is used up: `medspace negotiate` asks the holder for a new one; or train without it: "
    "--without-missing."
)


def of_run(run: Run, waiting: Waiting, names: Names, speak: Speak) -> list[JsonObject]:
    """Each site of a run, in its order: its agreement and its status.

    `status` is `took_part` (in a finished run), `asked` (it takes part, or the run ended before that was known),
    `waited_for` (with `seconds_left`), `refused` or `away`; the last three come with `code`, `sentence`, `next_step`.
    A site that was `asked` and works on a long step has `percent`, and in `seconds_left` its remaining time.
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
    """The leader of a run that was handed over, and whether it is awaited; None where this connector leads it."""
    if not run.coordinator:
        return None
    absent = None if over(run.state) else waiting.of(run.id).get(run.coordinator)
    said = {name: value for name, value in _site(run.coordinator, names, LEADS).items() if name != "site"}
    return {"did": run.coordinator} | said | _waited(absent, waiting, speak)


def of_model(lineage: Lineage, names: Names, speak: Speak) -> list[JsonObject]:
    """Each site that was asked for a model; it may have taken part in the fit and left before the evaluation."""
    faults = {fault.site: fault for fault in lineage.missing}
    return [
        _site(site, names, ASKED)
        | _standing(faults.get(site), speak)
        | ({"status": TOOK_PART} if site in lineage.sites else {})
        for site in lineage.asked or lineage.sites
    ]


def lost(fault: Fault) -> JsonObject:
    """The sites that are lost, and since when: the round, and under masks the question (None: before any)."""
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
        "sentence": rendered(fault.reason, speak),
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
        "sentence": rendered(absence.reason, speak),
        "seconds_left": waiting.left(absence),
    }


# --- why a run failed ---------------------------------------------------------------------------------------------


def problem(run: Run, names: Names, speak: Speak) -> JsonObject | None:
    """Why a run failed: the reasons of its sites first, each cause once, with the sites that have it."""
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
    reason = rendered(cause.reason, speak)
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


def _sentence(failure: RunFailure, told: Sequence[JsonObject], speak: Speak) -> str:
    if not told:
        return rendered(failure.text, speak)
    said = [] if _ends(failure) else [rendered(failure.text, speak)]
    return " ".join([str(one["sentence"]) for one in told] + said)


def _ends(failure: RunFailure) -> bool:
    """Whether a failure adds nothing to its causes: continuing without the sites was not allowed."""
    return "sites" in failure.facts


def _advice(refused: Cause | Fault, speak: Speak) -> str:
    """What to do about it: the holder may know better, but not which command agrees again."""
    return refused.advice.render(speak) if refused.code != COUNT else Text(_AGREE_ANEW).render(speak)
