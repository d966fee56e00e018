"""What the ledger needs from outside: an anchor that keeps its checkpoints.

A signed checkpoint proves what a log was only to those who have seen it. An anchor keeps it where the log's owner
cannot change it later: then a second or truncated history is found by comparison.
"""

from typing import Protocol

from medspace.ledger.model import Receipt, SignedCheckpoint


class Anchor(Protocol):
    """Keeps checkpoints out of the reach of the log's owner: a file elsewhere, witnesses, a chain."""

    @property
    def name(self) -> str:
        """Which anchor it is, in receipts: a short word and, where there may be several, where it is."""
        ...

    async def anchor(self, checkpoint: SignedCheckpoint) -> Receipt:
        """Keep a checkpoint; the same one again has the receipt that it had.

        Raises:
            AnchorUnavailableError: it cannot be kept now; to be tried again later.
        """
        ...

    async def newest(self) -> str | None:
        """The note of the checkpoint that was given to it last; None where there is none.

        Raises:
            AnchorUnavailableError: it cannot be asked now.
        """
        ...

    async def verify(self, checkpoint: SignedCheckpoint, receipt: Receipt) -> bool:
        """Whether this anchor keeps this very checkpoint under that receipt, and since when it says.

        Raises:
            AnchorUnavailableError: it cannot be asked now.
        """
        ...
