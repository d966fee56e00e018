"""The errors of opt-outs.

InvalidInputError
 |- OptOutPersonError       an identifier of a person, or a list of them, that cannot be used
 `- OptOutQuestionError     a question to the registry that cannot be read
RefusedError
 |- NoRegistryError         this connector keeps no registry: it is not the authority
 |- NotFollowedError        a dataset that follows no registry
 |- NoPermitsError          permits, which opt-outs are for, are not part of this program
 |- TooManyAskedError       a hospital has asked about as many persons as it may
 `- OptOutAnswerError       what the registry answered does not hold
WaitingError
 `- RegistryAwayError       the registry cannot be asked now
"""

from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import msgid


class OptOutPersonError(InvalidInputError):
    """Persons that cannot be used."""

    code = "optouts.persons"
    sentence = msgid("These persons cannot be taken: {reason}.")
    next_step = msgid("Write one identifier a line, as the registry has it: see docs/optouts.md.")


class OptOutQuestionError(InvalidInputError):
    """A question to the registry that cannot be read."""

    code = "optouts.question"
    sentence = msgid("This is no question to a registry of opt-outs: {reason}.")
    next_step = msgid("Ask the operator of the calling connector to update it.")


class NoRegistryError(RefusedError):
    """This connector keeps no registry."""

    code = "optouts.no_registry"
    sentence = msgid("{did} keeps no registry of opt-outs.")
    next_step = msgid("The authority of the space keeps it: ask there.")


class NotFollowedError(RefusedError):
    """A dataset that follows no registry."""

    code = "optouts.not_followed"
    sentence = msgid("{dataset} does not follow a registry of opt-outs.")
    next_step = msgid("Begin with `medspace optouts follow {dataset} --column COLUMN --file FILE`.")


class NoPermitsError(RefusedError):
    """Opt-outs are for uses under a permit, and this program has none."""

    code = "optouts.no_permits"
    sentence = msgid("This program has no permits, and opt-outs are for what permits open.")
    next_step = msgid("Install medspace with its feature for permits.")


class TooManyAskedError(RefusedError):
    """A hospital has asked about as many persons as it may."""

    code = "optouts.too_many"
    sentence = msgid("{hospital} may ask about {most} persons in all, and has asked about {asked}.")
    next_step = msgid("If it has more patients, the authority allows it: `medspace optouts allow {hospital} NUMBER`.")


class OptOutAnswerError(RefusedError):
    """What the registry answered does not hold."""

    code = "optouts.answer"
    sentence = msgid("What the registry of opt-outs answered does not hold: {reason}.")
    next_step = msgid("Try again. If it stays so, tell the operator of the authority.")


class RegistryAwayError(WaitingError):
    """The registry cannot be asked now."""

    code = "optouts.away"
    sentence = msgid("The registry of opt-outs at {did} cannot be asked now.")
    next_step = msgid("Try again later: the last answer holds until it expires.")
