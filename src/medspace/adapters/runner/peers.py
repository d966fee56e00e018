"""The parties of a run as an engine in a process has them: their names, and not one key.

A process of a step has the rights of an engine: the private key of the seat stays with the connector. So an engine
that seals for its peers has to run in a thread, and is told so instead of losing its mail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid


class PeersAbsentError(InvalidInputError):
    """An engine in a process wanted to seal or to open a message."""

    code = "step.peers"
    sentence = msgid(
        "This kind of task runs in a process of its own, where no messages of a run are sealed or opened."
    )
    next_step = msgid("Ask the holder to have its engine run in a thread.")


@dataclass(frozen=True, slots=True)
class AbsentPeers:
    """Who has a seat (`core.engine.Peers`); whatever needs a key is refused."""

    seats: tuple[str, ...]

    def seal(self, peer: str, label: str, message: bytes) -> NoReturn:
        """Refuse.

        Raises:
            PeersAbsentError: always.
        """
        del peer, label, message
        raise PeersAbsentError

    def seal_all(self, messages: Mapping[str, bytes], label: str) -> NoReturn:
        """Refuse.

        Raises:
            PeersAbsentError: always.
        """
        del messages, label
        raise PeersAbsentError

    def open(self, peer: str, label: str, sealed: str) -> NoReturn:
        """Refuse.

        Raises:
            PeersAbsentError: always.
        """
        del peer, label, sealed
        raise PeersAbsentError

    def pair(self, peer: str, label: str, seed: bytes, sealed: str) -> NoReturn:
        """Refuse.

        Raises:
            PeersAbsentError: always.
        """
        del peer, label, seed, sealed
        raise PeersAbsentError

    def sign(self, label: str, content: bytes) -> NoReturn:
        """Refuse.

        Raises:
            PeersAbsentError: always.
        """
        del label, content
        raise PeersAbsentError

    def proven(self, peer: str, label: str, text: str) -> NoReturn:
        """Refuse.

        Raises:
            PeersAbsentError: always.
        """
        del peer, label, text
        raise PeersAbsentError
