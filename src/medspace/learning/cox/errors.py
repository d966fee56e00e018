"""The errors of proportional hazards, beside those of their table (`glm.errors`).

RunError
 `- NoEventError  nobody had the event
"""

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.runs.errors import RunError


class NoEventError(RunError):
    """Nobody had the event, at any site."""

    code = "learning.no_event"
    sentence = msgid("No patient of any hospital had the event, so nothing can be learned about its risk.")
    next_step = msgid("Check how the task defines the event, or ask hospitals that observed it.")
    exit_code = InvalidInputError.exit_code
