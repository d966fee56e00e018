"""The errors of this room: RefusedError <- DisclosureError."""

from medspace.core.errors import RefusedError
from medspace.core.text import msgid


class DisclosureError(RefusedError):
    """An answer would tell about single persons; all reasons are one to whoever asks.

    `cause_code` names the rule. It is for the holder's eyes only: a reason that differs with the rows is an answer.
    """

    code = "privacy.withheld"
    sentence = msgid("The answer could tell about single persons, so the holder withholds it.")
    next_step = msgid(
        "Ask about more persons: fewer and coarser features, an outcome that more persons have, a penalty (`l2`). "
        "Which rule it was, only the holder may see, in its log."
    )

    def __init__(self, cause_code: str) -> None:
        super().__init__()
        self.cause_code = cause_code
