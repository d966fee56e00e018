"""The errors of the site's side of learning; those of runs are in `runs.errors`.

InvalidInputError
 `- StepInvalidError  the question of a round has the wrong shape
"""

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid


class StepInvalidError(InvalidInputError):
    """The question of a round has the wrong shape."""

    code = "learning.step_invalid"
    sentence = msgid("The question of round {round} cannot be answered: {reason}.")
    next_step = msgid("Run the coordinator and the sites with the same version.")
