"""The enforcement points: where along the road a policy is decided."""

from enum import IntEnum

from medspace.core.text import Text, msgid


class Point(IntEnum):
    """The enforcement points in the order of the road; a decision at one point is made again at each later one."""

    CATALOGUE = 0
    NEGOTIATION = 1
    TRANSFER = 2
    COMPUTE = 3
    RELEASE = 4
    AFTER = 5  # nothing is decided any more; what goes on in time, such as an agreement that ends, still is

    @property
    def words(self) -> Text:
        """When this point is passed, as part of a sentence."""
        return _WORDS[self]


_WORDS = {
    Point.CATALOGUE: Text(msgid("when the catalogue is read")),
    Point.NEGOTIATION: Text(msgid("when the agreement is made")),
    Point.TRANSFER: Text(msgid("when a transfer is requested")),
    Point.COMPUTE: Text(msgid("when a use begins")),
    Point.RELEASE: Text(msgid("when a result is about to leave")),
    Point.AFTER: Text(msgid("after a result has left")),
}

ROAD = tuple(Point)
