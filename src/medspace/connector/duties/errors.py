"""The errors of duties."""

from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import msgid


class UnknownDutyError(InvalidInputError):
    """There is no such duty here, or it is not the caller's."""

    code = "duty.unknown"
    sentence = msgid("The duty {duty} is not known here.")
    next_step = msgid("List the duties with `medspace duties`.")


class DutyUnprovenError(RefusedError):
    """A claim that a duty was fulfilled comes without the proof."""

    code = "duty.unproven"
    sentence = msgid("That the duty {duty} was fulfilled is not proven: {reason}.")
    next_step = msgid("Send the proof of the entry of your log that says so.")


class DutyUntimelyError(WaitingError):
    """A proof whose entry is from the future here: one of the two clocks is wrong."""

    code = "duty.untimely"
    sentence = msgid("The entry that proves the duty {duty} is from the future: one of the clocks is wrong.")
    next_step = msgid("Send it again once the clocks agree.")


class UnknownLogError(InvalidInputError):
    """No log of that user was seen here."""

    code = "duty.unknown_log"
    sentence = msgid("No log of {user} was seen here.")
    next_step = msgid("List those that were seen with `medspace duties logs`.")


class LogForkedError(RefusedError):
    """The log of a user is not the one that it showed before."""

    code = "duty.forked"
    sentence = msgid("{user} has signed two different logs of the same length: what it proves counts for nothing.")
    next_step = msgid(
        "Talk to its people; the owner of this connector may begin anew: `medspace duties logs --forget`."
    )


class LogUnprovenError(RefusedError):
    """A proof from a log of which nobody knows whether it begins with the one that was shown before."""

    code = "duty.log_unproven"
    sentence = msgid("That this log begins with the one of {size} entries that was shown before is not proven.")
    next_step = msgid("Send the proof with the hashes that lead from that size to the checkpoint.")


class DutySettledError(RefusedError):
    """What is asked for cannot be done with a duty as it stands, or by this side."""

    code = "duty.settled"
    sentence = msgid("The duty {duty} is {state}: this cannot be done with it here.")
    next_step = msgid(
        "A duty is fulfilled at its user, once the run is over, and waived at the data holder, while it is owed."
    )


class DutyClaimError(InvalidInputError):
    """A message about duties that cannot be read."""

    code = "duty.claim"
    sentence = msgid("This is no claim that a duty was fulfilled.")
    next_step = msgid("Send `duty` and `proof`.")
