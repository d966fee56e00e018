"""The doctor's check for questions that nearly repeat earlier ones."""

from collections.abc import Iterator, Sequence

from medspace.app.node.checks import HealthCheck
from medspace.app.node.questions import near_repeat
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

MOST_NEAR = 5  # near repeats that are reported


def near_repeats(repeats: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """Questions that nearly repeat earlier ones: not an error, but worth knowing."""
    advice = Text(msgid("Ask the user what the second one is for; `medspace audit questions` writes both to a file."))
    for state in repeats[-MOST_NEAR:]:
        yield HealthCheck(msgid("near repeats"), ok=True, found=near_repeat(state), next_step=advice)
