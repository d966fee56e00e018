"""The errors of masking.

InvalidInputError <- WordsInvalidError, NumberInvalidError, ThresholdsInvalidError;
ProofError <- SeedInvalidError, ShareInvalidError, OpeningInvalidError.
"""

from medspace.core.errors import InvalidInputError, ProofError
from medspace.core.text import msgid


class WordsInvalidError(InvalidInputError):
    """Words are not what the ring says: their count, their type or their bytes; or a number has no place in it."""

    code = "masking.words_invalid"
    sentence = msgid("The masked numbers cannot be used: {reason}.")
    next_step = msgid("Compare the versions of medspace and the task of both sides, then start the run again.")


class NumberInvalidError(InvalidInputError):
    """A value is no number, or has no place in fixed point."""

    code = "masking.number_invalid"
    sentence = msgid("A value cannot be written in fixed point: {reason}.")
    next_step = msgid("Correct the minimum and maximum of the column in the dictionary, or the rows that break them.")


class ThresholdsInvalidError(InvalidInputError):
    """With these numbers of seats nothing would be hidden, or nobody could open."""

    code = "masking.thresholds_invalid"
    sentence = msgid("The masks would not protect: {reason}.")
    next_step = msgid("Take more sites into the run, or agree that fewer of them may collude.")


class SeedInvalidError(ProofError):
    """A seed is not the one that its sender committed to, or none at all."""

    code = "masking.seed_invalid"
    sentence = msgid("A seed of the masks does not hold: {reason}.")


class ShareInvalidError(ProofError):
    """Shares do not lead to one secret."""

    code = "masking.share_invalid"
    sentence = msgid("The shares of a secret do not hold: {reason}.")


class OpeningInvalidError(ProofError):
    """What was opened does not remove the masks of just these survivors."""

    code = "masking.opening_invalid"
    sentence = msgid("What was opened does not remove the masks: {reason}.")
