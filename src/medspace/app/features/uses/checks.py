"""The doctor's report on uses."""

from collections.abc import Iterator, Sequence

from medspace.app.node.checks import HealthCheck
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid


def used(agreements: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """How many uses under the agreements on one's own data have had a release."""
    own = [one for one in agreements if one["role"] == "provider"]
    if own:
        under = counted(len(own), msgid("{count} agreement"), msgid("{count} agreements"))
        used = counted(sum(one["used"] for one in own), msgid("{count} use"), msgid("{count} uses"))
        sentence = msgid("Something was released to {uses}, under {agreements}.")
        yield HealthCheck(msgid("uses"), ok=True, found=Text(sentence, {"uses": used, "agreements": under}))
