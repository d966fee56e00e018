"""The errors of masking.

InvalidInputError <- WordsInvalidError, NumberInvalidError, ThresholdsInvalidError;
ProofError <- SeedInvalidError, ShareInvalidError, OpeningInvalidError.
"""

from medspace.core.errors import InvalidInputError, ProofError
from medspace.core.text import msgid


class WordsInvalidError(InvalidInputError):
    """Words do not fit the ring: their count, type or bytes; or a number is too large for it."""

    code = "masking.words_invalid"
    sentence = msgid("The masked numbers cannot be used: {reason}.")
    next_step = msgid("Compare the versions of medspace and the task of both sides, then start the run again.")


class NumberInvalidError(InvalidInputError):
    """A value is not a number, or does not fit in fixed point."""

    code = "masking.number_invalid"
    sentence = msgid("A value cannot be written in fixed point: {reason}.")
    next_step = msgid("Correct the minimum and maximum of the column in the dictionary, or the rows that break them.")


class ThresholdsInvalidError(InvalidInputError):
    """With these numbers of seats nothing would be hidden, or nobody could open."""

    code = "masking.thresholds_invalid"
    sentence = msgid("The masks would give no protection: {reason}.")
    next_step = msgid("Take more sites into the run, or agree that fewer of them may collude.")


class SeedInvalidError(ProofError):
    """A seed is invalid, or not the one that its sender committed to."""

    code = "masking.seed_invalid"
    sentence = msgid("A seed of the masks is invalid: {reason}.")


class ShareInvalidError(ProofError):
    """Shares do not combine to one secret."""

    code = "masking.share_invalid"
    sentence = msgid("The shares of a secret are invalid: {reason}.")


class OpeningInvalidError(ProofError):
    """What was opened does not remove the masks of exactly these survivors."""

    code = "masking.opening_invalid"
    sentence = msgid("What was opened does not remove the masks: {reason}.")
