"""The errors of neural networks, beside those of their table (`glm.errors`).

RunError
 |- DivergedError  the weights grew without end
 `- OneClassError  all patients of all sites have the same outcome
StepInvalidError
 `- LocallyDivergedError  a site's own training did not stay finite
"""

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.learning.errors import StepInvalidError
from medspace.runs.errors import RunError


class OneClassError(RunError):
    """All patients of all sites have the same outcome."""

    code = "learning.one_class"
    sentence = msgid("All patients of all hospitals have the same outcome, so nothing can be learned.")
    next_step = msgid("Check how the task defines the target, or ask hospitals that have seen both outcomes.")
    exit_code = InvalidInputError.exit_code


class DivergedError(RunError):
    """The weights grew without end."""

    code = "learning.diverged"
    sentence = msgid("The training diverged in round {round}: the weights grew without bound.")
    next_step = msgid("Lower the learning rate (`rate`, `server_rate`) or the norm bound (`clip`) of the task.")
    exit_code = InvalidInputError.exit_code


class LocallyDivergedError(StepInvalidError):
    """A site's own training did not stay finite."""

    code = "learning.locally_diverged"
    sentence = msgid("The training at a hospital diverged in round {round}: the weights grew without bound.")
    next_step = msgid("Lower the learning rate (`rate`) of the task.")
