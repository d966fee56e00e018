"""The errors of this room.

RefusedError <- DisclosureError; InvalidInputError <- BudgetInvalidError, NoiseInvalidError.
"""

from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import msgid


class DisclosureError(RefusedError):
    """An answer would reveal single persons; the asker cannot tell the reasons apart.

    `cause_code` names the rule. It is for the holder's eyes only: a reason that depends on the rows is itself an
    answer.
    """

    code = "privacy.withheld"
    sentence = msgid("The answer could tell about single persons, so the holder withholds it.")
    next_step = msgid(
        "Ask about more persons: fewer and coarser features, an outcome that more persons have, a penalty (`l2`). "
        "Only the holder can see which rule applied, in its log."
    )

    def __init__(self, cause_code: str) -> None:
        super().__init__()
        self.cause_code = cause_code


class BudgetInvalidError(InvalidInputError):
    """An epsilon, a delta or a rho is invalid for computing a privacy budget."""

    code = "privacy.budget_invalid"
    sentence = msgid("The privacy budget cannot be worked out: {reason}.")
    next_step = msgid("Set an epsilon between 0 and 1000, and a delta between 0 and 1, such as 0.00001.")


class NoiseInvalidError(InvalidInputError):
    """What is to be clipped and summed does not fit the integers that carry the noise."""

    code = "privacy.noise_invalid"
    sentence = msgid("The numbers cannot be prepared for noise: {reason}.")
    next_step = msgid("Choose another norm to clip to, or another scale, in the task.")
