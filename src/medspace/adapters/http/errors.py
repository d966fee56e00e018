"""What goes wrong on the way to another party; all are kinds of the connector's `UnreachableError`.

UnreachableError
|- BadAnswerError            an answer that cannot be read
|  `- AnswerTooLargeError    or is larger than we take
`- NotSentError
`- ForbiddenAddressError an address that must not be called
RefusedError
`- JobRefusedError           the job endpoint refused the step
WaitingError
`- JobBusyError              the job endpoint asks for patience
"""

from medspace.connector.errors import NotSentError, UnreachableError
from medspace.core.errors import RefusedError, WaitingError
from medspace.core.text import msgid


class BadAnswerError(UnreachableError):
    """Something answered, but not as HTTP and JSON demand, or too much."""

    code = "peer.bad_answer"
    sentence = msgid("The answer of {address} cannot be used: {reason}.")
    next_step = msgid("Check that the address is that of a connector; its operator's log may say more.")


class AnswerTooLargeError(BadAnswerError):
    """More came than we take; the same question brings as much again."""

    code = "peer.too_large"
    sentence = msgid("The answer of {address} cannot be used: {reason}.")
    next_step = msgid("Ask for less at once; large data go into parts.")


class ForbiddenAddressError(NotSentError):
    """The address must not be called."""

    code = "peer.forbidden"
    sentence = msgid("{address} must not be called: {reason}.")
    next_step = msgid("Where the address is right, allow its network in the configuration under [network].")


class JobRefusedError(RefusedError):
    """The job endpoint refused; `refusal` is its code, `advice` its next step, `status` the HTTP status."""

    code = "job.refused"
    sentence = msgid("The site refused the step ({refusal}): {reason}.")
    next_step = msgid("Read the site's reason; the agreement says which steps it allows.")


class JobBusyError(WaitingError):
    """The job endpoint cannot answer now; `refusal` is its code, `status` the HTTP status."""

    code = "job.busy"
    sentence = msgid("The site cannot answer now ({refusal}): {reason}.")
    next_step = msgid("The step is asked for again later.")
