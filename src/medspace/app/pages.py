"""A page of another's catalogue, unpacked dataset by dataset: at once, it would take longer than others wait."""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.policy.contexts import governed

MOST_VALUES = 250_000  # of one dataset: a tenth of a second to decode
_OBJECT, _LIST = b"{", b"["
T = TypeVar("T")
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class UnreadablePageError(ValueError):
    """A page is no catalogue."""


class HeavyPageError(ValueError):
    """A page has a dataset or a context that is larger than this connector decodes."""


class _Frame(msgspec.Struct, frozen=True):
    plain: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="dataset")
    prefixed: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="dcat:dataset")
    context: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="@context")


class Page:
    """One page as it came: what stands in it is decoded as it is asked for.

    Raises:
        UnreadablePageError: it is no JSON object.
        HeavyPageError: its context is too large.
    """

    def __init__(self, content: bytes) -> None:
        frame = _decode(content, _Frame)
        context = bytes(frame.context)
        self._context: Json = _unpacked(context) if context else None
        self._entries = _entries(bytes(frame.plain) or bytes(frame.prefixed))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JsonObject]:
        """Each dataset, under the contexts of the page too; what is no object is passed over.

        Raises:
            UnreadablePageError, HeavyPageError: one that is not JSON, or too large.
        """
        for packed in self._entries:
            entry = _unpacked(bytes(packed)) if bytes(packed)[:1] == _OBJECT else None
            if isinstance(entry, dict):
                yield governed(entry, self._context)


def _entries(datasets: bytes) -> list[msgspec.Raw]:
    """The datasets that stand there, still packed; one object stands for a list of one."""
    if datasets[:1] == _OBJECT:
        return [msgspec.Raw(datasets)]
    return _decode(datasets, list[msgspec.Raw]) if datasets[:1] == _LIST else []


def _unpacked(content: bytes) -> Json:
    """A part, if it is no heavier than what may be decoded at once."""
    if sum(map(content.count, (b",", _LIST, _OBJECT))) > MOST_VALUES:
        raise HeavyPageError
    return _decode(content, object)


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except _UNREADABLE:
        raise UnreadablePageError from None
