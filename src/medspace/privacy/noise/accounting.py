"""Stand-in until the room's own accounting is here: the conversion of Bun and Steinke, valid and not tight."""

from math import isfinite, log, sqrt

from medspace.core.engine import RHO_ONE
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid


class BudgetInvalidError(InvalidInputError):
    """No budget."""

    code = "privacy.budget_invalid"
    sentence = msgid("This is not a privacy budget: {reason}.")


MOST = 100.0


def rho_of(epsilon: float, delta: float) -> int:
    """The largest rho within epsilon and delta."""
    if not (isfinite(epsilon) and 0 < epsilon <= MOST) or not (0 < delta < 1):
        raise BudgetInvalidError(reason=Text(msgid("it is out of range")))
    root = sqrt(log(1 / delta))
    return int((sqrt(root * root + epsilon) - root) ** 2 * RHO_ONE)


def epsilon_of(rho: int, delta: float) -> float:
    """The epsilon of a rho."""
    if rho < 0 or not (0 < delta < 1):
        raise BudgetInvalidError(reason=Text(msgid("it is out of range")))
    share = rho / RHO_ONE
    return share + 2 * sqrt(share * log(1 / delta))
