"""How much of a dataset was clipped in noisy steps, in words for its holder: exact counts that nobody else is shown.

If many patients were clipped, the task states a range or a norm that does not suit this hospital: that costs quality
of the model, not privacy.
"""

from collections.abc import Iterator, Sequence

from medspace.app.node.checks import HealthCheck
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.core.usage import HolderNoteKind

MOST_SAID = 5  # per dataset, in the doctor's report
_WORDS = {
    HolderNoteKind.SHORTENED: msgid(
        "On {day}, in the task {task}, what {count} of {of} patients add was shortened ({share} %)."
    ),
    HolderNoteKind.OUTSIDE: msgid(
        "On {day}, in the task {task}, {count} of {of} values of {column} lie outside of the range that it states "
        "({share} %): they count as its edge."
    ),
}


def of_last_use(found: Sequence[JsonObject]) -> list[JsonObject]:
    """The notes of the use that was answered last."""
    return [one for one in found if one["use"] == found[0]["use"]]


def clipping(one: JsonObject) -> Text:
    """One note as a sentence."""
    facts = {name: one[name] for name in ("count", "of", "column")}
    facts |= {"day": one["time"][:10], "task": one["task"].removeprefix("sha256:")[:12]}
    facts |= {"share": f"{_share(one) * 100:.1f}"}
    return Text(_WORDS[HolderNoteKind(one["told"])], facts)


def clipping_checks(states: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """The doctor's report on the latest clipping; it is never an error."""
    advice = Text(
        msgid(
            "Compare the data dictionary with your data, and tell whoever states the task that its ranges do not "
            "suit yours; how many it is stays here."
        )
    )
    for state in states:
        strongest = sorted(of_last_use(state["clipped"]), key=_share, reverse=True)
        for one in strongest[:MOST_SAID]:
            yield HealthCheck(msgid("privacy budget"), ok=True, found=clipping(one), next_step=advice)


def _share(one: JsonObject) -> float:
    return float(one["count"] / one["of"])
