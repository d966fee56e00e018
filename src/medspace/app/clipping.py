"""How much of a dataset was clipped in noisy steps, in words for its holder: exact counts, which nobody else is told.

Whoever has many patients shortened states a range or a norm that does not suit this hospital: that costs quality of
the model, not privacy.
"""

from collections.abc import Iterator, Sequence

from medspace.app.checks import HealthCheck
from medspace.connector.usage import telling
from medspace.connector.usage.telling import UseNotes
from medspace.core.canonical import JsonObject
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Told

MOST_STEPS = 200  # looked at for what is shown of a dataset
MOST_SAID = 5  # by the doctor of a dataset
_WORDS = {
    Told.SHORTENED: msgid("In the task {task}, what {count} of {of} patients add was shortened ({share} %)."),
    Told.OUTSIDE: msgid(
        "In the task {task}, {count} of {of} values of {column} lie outside of the range that it states ({share} %): "
        "they count as its edge."
    ),
}


def clipped(tx: Transaction, sealer: Sealer, dataset: str) -> list[JsonObject]:
    """What was clipped of a dataset, use by use, the newest first: in each the step in which it was most.

    Raises:
        ValueError: it was sealed with another secret.
    """
    found: dict[tuple[str, Told, str], JsonObject] = {}
    for one in telling.newest(tx, sealer, dataset, MOST_STEPS):
        for shown in _shown(one):
            key = shown["use"], shown["told"], shown["column"]
            if shown["count"] and shown["count"] >= found.get(key, shown)["count"]:
                found[key] = shown
    return list(found.values())


def _shown(one: UseNotes) -> Iterator[JsonObject]:
    for note in one.said.notes:
        yield {
            "use": one.use,
            "time": one.time,
            "task": one.said.task,
            "step": one.said.step,
            "told": note.told.value,
            "column": note.about,
            "count": note.count,
            "of": note.of,
        }


def of_last_use(found: Sequence[JsonObject]) -> list[JsonObject]:
    """Those of the use that was answered last."""
    return [one for one in found if one["use"] == found[0]["use"]]


def clipping(one: JsonObject) -> Text:
    """One of them, in a sentence."""
    facts = {name: one[name] for name in ("count", "of", "column")}
    facts |= {"task": one["task"].removeprefix("sha256:")[:12], "share": f"{_share(one) * 100:.1f}"}
    return Text(_WORDS[Told(one["told"])], facts)


def clipping_checks(states: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """What the doctor says of what was clipped last; it is no fault, so it is in order, and said."""
    advice = Text(
        msgid(
            "Compare the data dictionary with your data, and tell whoever states the task that its ranges do not "
            "suit yours; how many it is stays here."
        )
    )
    for state in states:
        strongest = sorted(of_last_use(state["clipped"]), key=_share, reverse=True)
        for one in strongest[:MOST_SAID]:
            yield HealthCheck("privacy budget", ok=True, found=clipping(one), next_step=advice)


def _share(one: JsonObject) -> float:
    return float(one["count"] / one["of"])
