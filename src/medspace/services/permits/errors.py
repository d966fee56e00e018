"""The errors of permits.

InvalidInputError
 |- UnknownCaseError         no such case here, or not with the caller
 |- IncompleteError          an application that lacks something
 |- PermitDecisionError      a decision that grants more than was applied for, or gives no reasons
 |- PermitMessageError       a message about permits that cannot be read
 `- OptOutsError             opt-outs that cannot be kept
RefusedError
 |- CaseStateError           what is asked for cannot be done with a case as it stands, or by this side
 |- NoAccessBodyError        this connector grants no permits
 |- PersonNotNamedError      a person here wants to use data whose permit names others
 `- CaseRewrittenError       the other side says something else than before
"""

from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import msgid


class UnknownCaseError(InvalidInputError):
    """There is no such case here, or it is not the caller's."""

    code = "permits.unknown"
    sentence = msgid("The application {case} is not known here.")
    next_step = msgid("List the applications with `medspace permits list`.")


class IncompleteError(InvalidInputError):
    """An application that lacks something."""

    code = "permits.incomplete"
    sentence = msgid("The application is not complete: {reason}.")
    next_step = msgid("Add what is missing, and send it again.")


class PermitDecisionError(InvalidInputError):
    """A decision that cannot be made."""

    code = "permits.decision"
    sentence = msgid("This cannot be decided so: {reason}.")
    next_step = msgid("Grant what was applied for or less, and say why in words for the public.")


class PermitMessageError(InvalidInputError):
    """A message about permits that cannot be read."""

    code = "permits.message"
    sentence = msgid("This is no message about an application for a permit: {reason}.")
    next_step = msgid("Ask the operator of the calling connector to update it.")


class OptOutsError(InvalidInputError):
    """Opt-outs that cannot be kept."""

    code = "permits.opt_outs"
    sentence = msgid("These opt-outs cannot be kept: {reason}.")
    next_step = msgid("Name a column of the dataset, and the values of the rows whose persons opted out.")


class CaseStateError(RefusedError):
    """What is asked for cannot be done with a case as it stands, or by this side."""

    code = "permits.state"
    sentence = msgid("The application {case} is {state}: this cannot be done with it here.")
    next_step = msgid("Look at it with `medspace permits show`.")


class NoAccessBodyError(RefusedError):
    """This connector grants no permits: its members list does not believe it."""

    code = "permits.no_body"
    sentence = msgid("{did} is not believed for data permits, so nobody could use one of its.")
    next_step = msgid("The authority of the space names it: `medspace issuers trust {did} --type DataPermit`.")


class CaseRewrittenError(RefusedError):
    """The other side says something else than it has said before."""

    code = "permits.rewritten"
    sentence = msgid("What was said about the application {case} before is not what is said now.")
    next_step = msgid("Keep both; ask the other side what happened.")


class PersonNotNamedError(RefusedError):
    """A person here wants to use data whose permit names others."""

    code = "permits.person"
    sentence = msgid("The data permit for {dataset} does not name you.")
    next_step = msgid("Let one of the people work with it whom the permit names: `medspace permits show` lists them.")
