"""The enforcement points: where on the road a policy is decided."""

from enum import IntEnum

from medspace.core.text import Text, msgid


class Point(IntEnum):
    """The points in the order of the road; whatever is decided at one is decided again at each later one."""

    CATALOGUE = 0
    NEGOTIATION = 1
    TRANSFER = 2
    COMPUTE = 3
    RELEASE = 4

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
}

ROAD = tuple(Point)
