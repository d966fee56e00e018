"""What the doctor says of duties."""

from collections.abc import Iterable, Iterator

from medspace.app.node.checks import HealthCheck
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

NAME = msgid("duties")


def broken(found: Iterable[JsonObject]) -> Iterator[HealthCheck]:
    """One check for each duty that somebody owes this connector and has not fulfilled in time."""
    for one in found:
        if one["role"] == "provider":
            facts = {"user": one["name"] or one["counterparty"], "action": one["action"], "due": one["due"]}
            said = Text(msgid("{user} owes what was due on {due}: {action}."), facts)
            advice = Text(msgid("Talk to them; nothing is admitted under the agreement before it is done or waived."))
            yield HealthCheck(NAME, ok=False, found=said, next_step=advice)
