"""Arrays as bytes: the safetensors format, read and written here. It holds numbers and names, and never code.

Eight bytes say, little-endian, how long the head is; the head is a JSON object that says of each tensor its `dtype`,
`shape` and `data_offsets` within what follows; then come the numbers, little-endian, in C order, without a gap. The
reader is strict where the format leaves it open: every byte belongs to exactly one tensor, nothing is said twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import BinaryIO

from medspace.core.canonical import Json
from medspace.core.errors import InvalidInputError
from medspace.core.limits import KIB
from medspace.core.text import Text, msgid

MEDIA_TYPE = "application/vnd.safetensors"
LARGEST_HEAD = 256 * KIB
MOST_TENSORS = 1_000
MOST_DIMENSIONS = 8
LONGEST_NAME = 200
_LENGTH = 8  # bytes
_METADATA = "__metadata__"
_ALIGNED = 8  # the head is filled up with spaces, so that numbers begin where processors like it

# The dtypes of the format with their bytes, and what numpy calls them; it has no name for BF16.
ITEM = MappingProxyType(
    {
        "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
        "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
    }
)  # fmt: skip
NUMPY = MappingProxyType(
    {
        "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "F16": "<f2",
        "U32": "<u4", "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
    }
)  # fmt: skip


class TensorError(InvalidInputError):
    """Bytes are no tensors."""

    code = "tensor.invalid"
    sentence = msgid("The tensors cannot be read: {reason}.")
    next_step = msgid("Write them in the safetensors format, without gaps, within the limits of docs/operations.md.")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One array: its type, its shape, and where its bytes begin and end, counted from the file's beginning."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def head(
    tensors: Mapping[str, tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str] | None = None,
    most: int = LARGEST_HEAD,
) -> bytes:
    """The bytes that come before the numbers of tensors of these dtypes and shapes, which then follow in this order.

    There are at most `most` of them.

    Raises:
        TensorError: they are beyond the limits, or of no such dtype.
    """
    said: dict[str, Json] = {_METADATA: dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = _size(name, dtype, shape)
        said[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + _LENGTH) % _ALIGNED)
    if len(text) > most or len(tensors) > MOST_TENSORS:
        raise TensorError(reason=Text(msgid("they are too many, or their names too long")))
    return len(text).to_bytes(_LENGTH, "little") + text


def read_head(source: BinaryIO, size: int, most: int = LARGEST_HEAD) -> dict[str, Tensor]:
    """The tensors of a file of `size` bytes, in the order of their bytes; of the file only the head is read.

    Raises:
        TensorError: it is not in the format, or beyond the limits; its head may have `most` bytes.
    """
    said, length = _said(source, min(most, size - _LENGTH))
    _metadata(said)
    if len(said) > MOST_TENSORS:
        raise TensorError(reason=Text(msgid("they are too many, or their names too long")))
    found = {name: _tensor(name, one, _LENGTH + length) for name, one in said.items()}
    ordered = dict(sorted(found.items(), key=lambda item: (item[1].start, item[1].stop)))
    _check_cover([(_LENGTH + length, _LENGTH + length), *((one.start, one.stop) for one in ordered.values())], size)
    return ordered


def read_metadata(source: BinaryIO, most: int = LARGEST_HEAD) -> Mapping[str, str]:
    """What a file says of itself beside its tensors, as texts by name.

    Raises:
        TensorError: it is not in the format, or its head has more than `most` bytes.
    """
    return _metadata(_said(source, most)[0])


def _said(source: BinaryIO, most: int) -> tuple[dict[str, Json], int]:
    """The head as JSON, and its length."""
    length = int.from_bytes(_exactly(source, _LENGTH), "little")
    if not 2 <= length <= most:  # noqa: PLR2004 - at least {}
        raise _broken()
    return _object(_exactly(source, length)), length


def _metadata(said: dict[str, Json]) -> Mapping[str, str]:
    """What stands beside the tensors, which is taken out."""
    found = said.pop(_METADATA, {})
    if not isinstance(found, dict):
        raise _broken()
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    if len(texts) < len(found):
        raise _broken()
    return texts


def blocks(source: BinaryIO, tensor: Tensor, most: int) -> Iterator[bytes]:
    """The bytes of one tensor in pieces of at most `most` bytes, whole numbers each.

    Raises:
        TensorError: the file ends before it.
    """
    source.seek(tensor.start)
    step = max(most - most % ITEM[tensor.dtype], ITEM[tensor.dtype])
    for at in range(tensor.start, tensor.stop, step):
        yield _exactly(source, min(step, tensor.stop - at))


def abreast(sources: Sequence[tuple[BinaryIO, int]], name: str, most: int) -> Iterator[tuple[bytes, ...]]:
    """The bytes of one tensor of several files, given with their sizes, piece by piece: the same piece of each.

    However large the tensors are, one piece of each file is in memory, of at most `most` bytes.

    Raises:
        TensorError: a file is not in the format, or its tensor is none, or of another type or shape than the first.
    """
    found = [read_head(source, size).get(name) for source, size in sources]
    tensors = [tensor for tensor in found if tensor is not None]
    if len(tensors) < len(found) or len({(tensor.dtype, tensor.shape) for tensor in tensors}) > 1:
        said = msgid("the tensor {name} is not in all of them, or not of one type and shape")
        raise TensorError(reason=Text(said, {"name": name}))
    readers = [blocks(source, tensor, most) for (source, _), tensor in zip(sources, tensors, strict=True)]
    yield from zip(*readers, strict=True)


def _tensor(name: str, said: Json, begin: int) -> Tensor:
    if not isinstance(said, dict) or said.keys() != {"dtype", "shape", "data_offsets"}:
        raise _broken()
    dtype, shape, offsets = said["dtype"], said["shape"], said["data_offsets"]
    if not isinstance(dtype, str) or not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:  # noqa: PLR2004
        raise _broken()
    start, stop = offsets
    if stop - start != _size(name, dtype, tuple(shape)):
        raise TensorError(reason=Text(msgid("the tensor {name} has another size than its shape"), {"name": name}))
    return Tensor(dtype, tuple(shape), begin + start, begin + stop)


def _size(name: str, dtype: str, shape: tuple[int, ...]) -> int:
    if dtype not in ITEM:
        raise TensorError(reason=Text(msgid("the type {dtype} is not known"), {"dtype": dtype[:LONGEST_NAME]}))
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or name == _METADATA:
        raise TensorError(reason=Text(msgid("they are too many, or their names too long")))
    if len(shape) > MOST_DIMENSIONS:
        raise TensorError(reason=Text(msgid("the tensor {name} has too many dimensions"), {"name": name}))
    return prod(shape) * ITEM[dtype]


def _naturals(value: Json) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _check_cover(spans: list[tuple[int, int]], size: int) -> None:
    if spans[-1][1] != size or any(before[1] != after[0] for before, after in pairwise(spans)):
        raise TensorError(reason=Text(msgid("its tensors have gaps between them, or overlap")))


def _object(text: bytes) -> dict[str, Json]:
    try:
        said = json.loads(text, object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _broken() from None
    if not isinstance(said, dict):
        raise _broken()
    return said


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise ValueError("a name stands twice")
    return said


def _integer(text: str) -> int:
    if len(text) > 18:  # noqa: PLR2004 - digits; no file has more bytes
        raise ValueError("a number is too large")
    return int(text)


def _no_number(text: str) -> Json:
    raise ValueError(text)


def _exactly(source: BinaryIO, count: int) -> bytes:
    data = source.read(count)
    if len(data) != count:
        raise _broken()
    return data


def _broken() -> TensorError:
    return TensorError(reason=Text(msgid("it is not in the safetensors format")))
