"""What an asset has spent of its privacy budget, in words and as a picture, from the JSON of `statements`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from medspace.app.features.budget.clipping import clipping_checks
from medspace.app.node.checks import HealthCheck
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.policy.budgets import UNITS
from medspace.privacy.noise.composition import PLD, ZCDP

if TYPE_CHECKING:
    from medspace.app.node.config import Config
    from medspace.app.node.node import Standing

_GIVEN = {
    ZCDP: msgid(
        "{dataset} has given epsilon {spent} of the {epsilon} (delta {delta}) that it gives for {unit} until "
        "{day}; a task of epsilon {left} would still fit."
    ),
    PLD: msgid(
        "{dataset} has given epsilon {spent} (as the limit counts, {spent_zcdp}) of the {epsilon} (delta {delta}) "
        "that it gives for {unit} until {day}; a task of epsilon {left} would still fit."
    ),
}
_COUNTED = {
    PLD: msgid(
        "What is spent is the epsilon of all the noise together (by its privacy loss distribution), rounded up. The "
        "limit counts in zCDP, by which it is a little more; shares and what is left go by the limit."
    ),
    ZCDP: msgid(
        "What is spent is the epsilon of zCDP, rounded up: it was never more, and mostly less. A closer number for "
        'Gaussian noise comes with: pip install "medspace[dp]"'
    ),
}
BAR = 20  # decimal places
FULL, EMPTY = "█", "░"
STATES = {
    "open": msgid("open"),
    "ended": msgid("period ended"),
    "frozen": msgid("frozen"),
    "spent": msgid("spent"),
    "dropped": msgid("taken back"),
}


def bar(share: float | None) -> str:
    """How much of a budget is spent, as a picture."""
    if share is None:
        return ""
    full = min(max(round(share * BAR), 1 if share > 0 else 0), BAR)
    return f"{FULL * full}{EMPTY * (BAR - full)} {round(share * 100)} %"


def budget_left(state: JsonObject) -> Text:
    """How a budget stands, in a sentence."""
    if state["state"] == "dropped":
        return Text(msgid("{dataset} has no privacy budget any more."), {"dataset": state["dataset"]})
    names = ("dataset", "epsilon", "delta", "spent", "spent_zcdp", "left")
    facts: dict[str, Fact | Text] = {name: state[name] for name in names}
    facts["left"] = min(one for one in (state["left"], state["task"], state["agreement"]) if one is not None)
    facts |= {"unit": UNITS[state["unit"]], "day": state["until"][:10], "delta": f"{state['delta']:g}"}
    sentence = {
        "frozen": msgid(
            "{dataset}: a backup of the database was restored, so its privacy budget counts as spent until a new "
            "period begins, from {day} on."
        ),
        "ended": msgid("{dataset}: the period of its privacy budget has ended, so nothing is given."),
    }.get(state["state"], _GIVEN[state["counted"]])
    return Text(sentence, facts)


def counted(ways: Iterable[str | None]) -> Iterator[Text]:
    """How spent epsilons were computed, one sentence per method; `ways` are the `counted` values shown."""
    found = set(ways)
    return (Text(sentence) for way, sentence in _COUNTED.items() if way in found)


def uncovered(state: JsonObject) -> Text | None:
    """That a budget does not limit everything; None where it does."""
    if state["state"] == "dropped" or not state["exact"]:
        return None
    said = msgid("{dataset} gives exact answers besides: the budget does not cover them.")
    return Text(said, {"dataset": state["dataset"]})


def budget_checks(states: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """The doctor's report on budgets; a spent budget is reported, but is not an error."""
    renew = Text(msgid("Begin a new period once this one has ended: `medspace budget renew`."))
    warned = Text(msgid("`medspace budget show` says by whom and for what; `budget` of the dataset is its limit."))
    for state in states:
        over = state["state"] in ("ended", "frozen")
        advice = renew if over else warned if state["near"] else None
        yield HealthCheck(
            msgid("privacy budget"), ok=state["state"] != "frozen", found=budget_left(state), next_step=advice
        )
        more = uncovered(state)
        if more is not None:
            yield HealthCheck(msgid("privacy budget"), ok=True, found=more)


def anchored(*, budgets: bool, anchors: bool) -> Iterator[HealthCheck]:
    """Whether restoring a backup would be noticed."""
    if budgets and not anchors:
        found = Text(msgid("No anchor keeps checkpoints of the log, so a restored backup cannot be noticed by it."))
        advice = Text(msgid("Name a file outside of the backup as `file` under [checkpoints]."))
        yield HealthCheck(msgid("privacy budget"), ok=True, found=found, next_step=advice)


def checks(config: "Config", states: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """All checks of this feature, whether or not the connector is running."""
    budgets = bool(states) or any(asset.budget is not None for asset in config.assets)
    yield from anchored(budgets=budgets, anchors=bool(config.checkpoints.file))
    yield from budget_checks(states)
    yield from clipping_checks(states)


def standing(state: JsonObject | None) -> "Standing":
    """What a dry run reports on the budget of a dataset."""
    told = () if state is None else filter(None, (budget_left(state), uncovered(state)))
    return {"budget": state}, tuple(told)
