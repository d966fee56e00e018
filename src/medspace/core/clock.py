"""Time and randomness as ports, so that every race and every expiry is a test."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed on this clock."""
        ...


class Randomness(Protocol):
    """Where unpredictable bytes come from."""

    def token_bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess."""
        ...


def stamp(instant: datetime) -> str:
    """An instant as fixed-width RFC 3339 text in UTC (milliseconds), so that text order is time order."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def instant(text: str) -> datetime:
    """The instant that RFC 3339 text names; text without an offset is read as UTC.

    Raises:
        ValueError: the text names no instant.
    """
    read = datetime.fromisoformat(text)
    try:
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except OverflowError:  # in UTC it lies before the year 1 or after 9999
        raise ValueError(text) from None
