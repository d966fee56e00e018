"""What can go wrong in the ledger."""

from medspace.core.errors import InvalidInputError, ProofError, WaitingError
from medspace.core.text import msgid


class MalformedEntryError(InvalidInputError):
    """An entry that the ledger must not hold: wrong form, an unknown fact, or text that may be about a person."""

    code = "ledger.entry.malformed"
    sentence = msgid("The ledger cannot record this entry: {reason}.")
    next_step = msgid("Write only the facts that the kind of entry has, as identifiers, digests, codes and numbers.")


class UnknownEntryKindError(MalformedEntryError):
    """A kind of entry that this program does not know."""

    code = "ledger.entry.unknown_kind"
    sentence = msgid(
        "This program does not know entries of the kind {kind}: it is older than the program that wrote the log, or "
        "lacks a feature."
    )
    next_step = msgid("Read the log with the version and the features of medspace that wrote it.")


class KindRefusedError(InvalidInputError):
    """A kind of entry that cannot be added to those that this program knows."""

    code = "ledger.kind.refused"
    sentence = msgid("The kind of entry {kind} cannot be added: {reason}.")
    next_step = msgid("Give it a topic and a name of its own, and facts in forms that the ledger has.")


class NoSuchEntryError(InvalidInputError):
    """An index or a size that the log has not reached."""

    code = "ledger.entry.missing"
    sentence = msgid("The log is not that long: {reason}.")
    next_step = msgid("Ask for an entry and a size within the log.")


class MalformedNoteError(InvalidInputError):
    """Text that is not a signed note, or a note that is not a checkpoint."""

    code = "ledger.note.malformed"
    sentence = msgid("This is not a signed checkpoint: {reason}.")
    next_step = msgid("Ask its sender for the original text; it must not be edited or reformatted.")


class MalformedBundleError(InvalidInputError):
    """A file that is not an exported log."""

    code = "ledger.bundle.malformed"
    sentence = msgid("This is not an exported log: {reason}.")
    next_step = msgid("Export the log again with `medspace audit export`.")


class MalformedEntryProofError(InvalidInputError):
    """A file that is not the proof of an entry."""

    code = "ledger.entry_proof.malformed"
    sentence = msgid("This is not the proof of an entry: {reason}.")
    next_step = msgid("Write it again with `medspace audit entry`, or download it again from the portal.")


class MalformedQuestionsError(InvalidInputError):
    """A file that does not hold a holder's questions."""

    code = "ledger.questions.malformed"
    sentence = msgid("These are not the questions of a holder: {reason}.")
    next_step = msgid("Ask the holder to export its questions again.")


class InconsistentLogError(ProofError):
    """The log is no longer the one that was signed before."""

    code = "ledger.log.inconsistent"
    sentence = msgid("The log of {origin} no longer begins with the {size} entries that it signed before.")
    next_step = msgid("Sign nothing; restore the database from a backup and tell the other members of the space.")


class BrokenLogError(ProofError):
    """The stored hashes of the log do not form a Merkle tree."""

    code = "ledger.log.broken"
    sentence = msgid("The database holds a hash of the log that is not {size} bytes long.")
    next_step = msgid("Sign nothing; restore the database from a backup.")


class AnchorUnavailableError(WaitingError):
    """An anchor cannot keep a checkpoint, or cannot be asked about one, now."""

    code = "ledger.anchor.unavailable"
    sentence = msgid("The anchor {anchor} cannot be reached: {reason}.")
    next_step = msgid("Make sure that it can be read and written; the next checkpoint will be sent to it.")


class NoSuchRunError(InvalidInputError):
    """A run that no log knows."""

    code = "ledger.run.missing"
    sentence = msgid("No log knows the run {run}.")
    next_step = msgid("Add the bundle of the party that led the run.")
