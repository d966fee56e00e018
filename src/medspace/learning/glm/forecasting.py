"""What a GLM task costs and what to expect of it, shown before it is run."""

from collections.abc import Sequence
from math import ceil

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.core.text import Fact, Text, counted, msgid
from medspace.learning.glm.description import PROTECTED
from medspace.learning.glm.noisy.expecting import AREA, NoiseForecast, everywhere, expected, guess
from medspace.learning.glm.noisy.planning import plan
from medspace.learning.glm.task import GlmTask, Noise
from medspace.runs.ports import Forecast, ReportTable

SCALE = 10_000.0
DOTS, FULL, EMPTY = 10, "\u25cf", "\u25cb"
MECHANISMS = {"gradient": Text(msgid("noisy gradients")), "newton": Text(msgid("noisy Newton sums"))}

EXACT = msgid("Its answers are exact: it takes nothing from a privacy budget, and asks at most {asked}.")
_COST = msgid("It costs each hospital epsilon {epsilon} (delta {delta}) of its budget, for {unit}.")
_WAY = msgid("It asks {asked} and uses {mechanism}.")
_TELLS = {
    "patient": (
        msgid(
            "Somebody who knows everything else about one patient and guesses a yes or no is right in at most "
            "{right} of 100 cases: {picture} (a coin: 50)."
        ),
        msgid("For a patient of all {sites}, the epsilon is up to {everywhere}."),
    ),
    "event": (
        msgid(
            "Somebody who knows everything else about one row and guesses a yes or no in it is right in at most "
            "{right} of 100 cases: {picture} (a coin: 50). A patient with many rows is protected much less."
        ),
    ),
}


def forecast(task: GlmTask, sites: int) -> Forecast:
    """What to expect with so many hospitals."""
    if task.noise is None:
        return _exact(task)
    planned, noise = plan(task), task.noise
    rows = expected(task, noise.persons, sites) if noise.persons is not None else ()
    facts: JsonObject = {
        "epsilon": repr(noise.epsilon),
        "delta": repr(noise.delta),
        "unit": noise.unit,
        "everywhere": repr(_up(everywhere(task, sites))) if noise.unit == "patient" else None,
        "guess": repr(_up(guess(noise))),
        "mechanism": planned.mechanism,
        "questions": len(planned.totals),
        "persons": noise.persons,
        "expected": exact(msgspec.to_builtins(list(rows))),
    }
    return Forecast(facts, _sentences(task, noise, sites), _table(rows) if rows else None)


def _exact(task: GlmTask) -> Forecast:
    asked = counted(task.max_rounds, msgid("{count} question"), msgid("{count} questions"))
    return Forecast(
        {"epsilon": None, "questions": task.max_rounds},
        (
            Text(EXACT, {"asked": asked}),
            Text(
                msgid(
                    "Hospitals whose terms require noise refuse it; for those, add [noise] with an epsilon to the "
                    "task."
                )
            ),
        ),
    )


def _sentences(task: GlmTask, noise: Noise, sites: int) -> tuple[Text, ...]:
    planned = plan(task)
    facts: dict[str, Fact | Text] = {
        "epsilon": repr(noise.epsilon),
        "delta": repr(noise.delta),
        "unit": PROTECTED[noise.unit],
        "sites": counted(sites, msgid("{count} hospital"), msgid("{count} hospitals")),
        "everywhere": f"{_up(everywhere(task, sites)):g}",
        "asked": counted(len(planned.totals), msgid("{count} question"), msgid("{count} questions")),
        "mechanism": MECHANISMS[planned.mechanism],
    }
    facts |= {"right": ceil(100 * guess(noise)), "picture": picture(guess(noise))}
    said = [Text(_COST, facts), *(Text(one, facts) for one in _TELLS[noise.unit]), Text(_WAY, facts)]
    if noise.persons is None:
        stated = msgid(
            "State in the task roughly how many patients there are (`persons` under `[noise]`) to see what to expect."
        )
        said.append(Text(stated))
    elif task.family == "binomial":
        assumed = msgid(
            "Standard errors are per standard deviation of a column; the AUC that is lost is for a model whose AUC "
            "would be {area} without noise. Both are estimates for ranges that fit the data closely; wide ones cost "
            "more."
        )
        said.append(Text(assumed, {"area": f"{AREA:g}"}))
    return tuple(said)


def _up(value: float) -> float:
    """With few digits, rounded up."""
    return ceil(value * SCALE) / SCALE


def picture(chance: float) -> str:
    """A chance, from a coin toss to certainty, as ten dots: the fuller, the more is revealed."""
    full = min(max(ceil((chance - 0.5) * 2 * DOTS), 0), DOTS)
    return FULL * full + EMPTY * (DOTS - full)


def _table(rows: Sequence[NoiseForecast]) -> ReportTable:
    columns = (
        Text(msgid("epsilon")),
        Text(msgid("mechanism")),
        Text(msgid("standard error from noise")),
        Text(msgid("standard error from sampling")),
        Text(msgid("AUC lost")),
        Text(msgid("correct guesses of 100")),
    )
    return ReportTable(columns, tuple(_row(one) for one in rows))


def _row(one: NoiseForecast) -> tuple[str | int | Text, ...]:
    if one.mechanism is None:
        return (f"{one.epsilon:g}", Text(msgid("lost in the noise")), "-", "-", "-", _of_100(one))
    numbers = (one.noise, one.sampling, one.area_lost)
    return (
        f"{one.epsilon:g}",
        MECHANISMS[one.mechanism],
        *("-" if n is None else f"{n:.3f}" for n in numbers),
        _of_100(one),
    )


def _of_100(one: NoiseForecast) -> str:
    return f"{ceil(100 * one.guess)} {picture(one.guess)}"
