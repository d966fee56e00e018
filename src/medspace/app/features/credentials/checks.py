"""What the doctor says of credentials: those that end soon."""

from collections.abc import Iterator
from datetime import timedelta

from medspace.app.node.checks import Examination, HealthCheck
from medspace.core.clock import instant
from medspace.core.text import Text, msgid

NAME = msgid("credentials")
SOON = timedelta(days=7)


def checks(examined: Examination) -> Iterator[HealthCheck]:
    """One check for each held credential that has ended, or ends within a week."""
    if examined.space is None or not examined.config.credentials.dcp:
        return
    now = examined.clock.now()
    for one in examined.space.credentials()["held"]:
        if one["until"] and instant(one["until"]) < now + SOON:
            facts = {"type": one["type"], "issuer": one["issuer"], "until": one["until"]}
            said = Text(msgid("The credential {type} of {issuer} ends at {until}."), facts)
            advice = Text(msgid("Ask for a new one: `medspace credentials request {issuer} {type}`."), facts)
            yield HealthCheck(NAME, ok=False, found=said, next_step=advice)
