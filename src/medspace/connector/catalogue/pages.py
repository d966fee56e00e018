"""A page of another participant's catalogue, decoded dataset by dataset, since decoding it at once takes too long."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.decoding import read_json, read_members
from medspace.policy.contexts import governed

MOST_VALUES = 250_000  # of one dataset: takes a tenth of a second to decode
_DATASETS = ("dataset", "dcat:dataset")
_OBJECT, _LIST = b"{", b"["
T = TypeVar("T")
_PACKED = msgspec.json.Decoder(list[msgspec.Raw])


class UnreadablePageError(ValueError):
    """A page is not a catalogue."""


class HeavyPageError(ValueError):
    """A page has a dataset or a context that is larger than this connector decodes."""


class PeerPage:
    """One page as received; its contents are decoded on demand.

    Raises:
        UnreadablePageError: it is not a JSON object.
        HeavyPageError: its context is too large.
    """

    def __init__(self, content: bytes) -> None:
        frame = _read(read_members, content)
        self._context: Json = _unpacked(frame["@context"]) if "@context" in frame else None
        self._entries = _entries(next((frame[name] for name in _DATASETS if name in frame), b""))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JsonObject]:
        """Each dataset, including the contexts of the page; entries that are not objects are skipped.

        Raises:
            UnreadablePageError, HeavyPageError: an entry is not JSON, or too large.
        """
        for packed in self._entries:
            entry = _unpacked(bytes(packed)) if bytes(packed)[:1] == _OBJECT else None
            if isinstance(entry, dict):
                yield governed(entry, self._context)


def _entries(datasets: bytes) -> list[msgspec.Raw]:
    """The dataset entries, not decoded yet; a single object counts as a list of one."""
    if datasets[:1] == _OBJECT:
        return [msgspec.Raw(datasets)]
    return _read(_PACKED.decode, datasets) if datasets[:1] == _LIST else []


def _unpacked(content: bytes) -> Json:
    """A part decoded, provided it is no larger than what may be decoded at once."""
    if sum(map(content.count, (b",", _LIST, _OBJECT))) > MOST_VALUES:
        raise HeavyPageError
    return _read(read_json, content)


def _read(read: Callable[[bytes], T], content: bytes) -> T:
    try:
        return read(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise UnreadablePageError from None
