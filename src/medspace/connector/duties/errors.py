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
