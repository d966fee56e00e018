"""The doctor's check of labels."""

from collections.abc import Iterator, Sequence

from medspace.app.node.checks import HealthCheck
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

_CLOSED = msgid("{dataset} allows nothing: a backup was restored, and nobody has confirmed its label since.")
_CONFIRM = msgid(
    "End again what has ended since the backup (`medspace agreements`, `medspace agreement end ID`); then "
    "`medspace label {dataset} --as-configured`, or set another label."
)


def relabelled(labels: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """Labels that differ from the configuration, and labels that await confirmation since a restore."""
    told = msgid("The label of {dataset} is not that of the configuration: `medspace label` set it.")
    advice = msgid("Write it into the configuration, or take it back: `medspace label {dataset} --as-configured`.")
    for one in labels:
        facts = {"dataset": str(one["dataset"])}
        if one["source"] == "restored":
            yield HealthCheck(msgid("labels"), ok=False, found=Text(_CLOSED, facts), next_step=Text(_CONFIRM, facts))
        elif one["source"] != "configuration":
            yield HealthCheck(msgid("labels"), ok=True, found=Text(told, facts), next_step=Text(advice, facts))
