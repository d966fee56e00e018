"""What the doctor says of credentials."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from medspace.app.node.checks import HealthCheck
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant
from medspace.core.text import Text, msgid

NAME = msgid("credentials")
SOON = timedelta(days=14)


def ending(found: Iterable[JsonObject], now: datetime) -> Iterator[HealthCheck]:
    """One check for each credential whose own time is over soon."""
    for one in found:
        if one["state"] == "holds" and one["until"] and instant(one["until"]) - now < SOON:
            facts = {
                "credential": ", ".join(one["words"]),
                "subject": one["name"] or one["subject"],
                "until": one["until"],
            }
            said = Text(msgid("The credential {credential} of {subject} ends at {until}."), facts)
            advice = Text(msgid("Whoever it is about asks {issuer} for the next one."), {"issuer": one["issuer"]})
            yield HealthCheck(NAME, ok=False, found=said, next_step=advice)
