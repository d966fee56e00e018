import json
from io import BytesIO
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.tensors import (
    ITEM,
    LARGEST_HEAD,
    LONGEST_NAME,
    MOST_DIMENSIONS,
    MOST_TENSORS,
    NUMPY,
    Tensor,
    TensorError,
    blocks,
    head,
    read_head,
)

names = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=20)
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


def file_of(said, data=b"", length=None):
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def read(content):
    return read_head(BytesIO(content), len(content))


@given(st.dictionaries(names, st.tuples(st.sampled_from(sorted(ITEM)), shapes), max_size=6), st.randoms())
def test_what_is_written_is_read_again(tensors, random):
    data = {name: random.randbytes(prod(shape) * ITEM[dtype]) for name, (dtype, shape) in tensors.items()}
    content = head(tensors) + b"".join(data.values())
    found = read(content)
    assert {name: (one.dtype, one.shape) for name, one in found.items()} == tensors
    for name, one in found.items():
        assert b"".join(blocks(BytesIO(content), one, 7)) == data[name] == content[one.start : one.stop]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content):
    try:
        found = read(content)
    except TensorError:
        return
    assert sum(one.stop - one.start for one in found.values()) <= len(content)


@given(st.data())
def test_a_head_that_was_changed_is_refused_or_within_its_file(data):
    """Whatever a changed head says, no tensor reaches beyond its file, and none shares a byte with another."""
    content = bytearray(head({"a": ("F32", (2, 3)), "b": ("I64", (2,))}) + bytes(40))
    at = data.draw(st.integers(0, len(content) - 41))
    content[at] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(content))
    except TensorError:
        return
    assert sum(one.stop - one.start for one in found.values()) == 40
    assert all(one.stop <= len(content) for one in found.values())


def test_numpy_reads_the_numbers_where_they_lie():
    numbers = np.arange(6, dtype="<f4").reshape(2, 3)
    content = head({"numbers": ("F32", (2, 3))}, {"format": "np"}) + numbers.tobytes()
    (one,) = read(content).values()
    assert one.start % 8 == 0
    found = np.frombuffer(content[one.start : one.stop], dtype=NUMPY[one.dtype]).reshape(one.shape)
    assert (found == numbers).all()
    assert all(np.dtype(name).itemsize == ITEM[dtype] for dtype, name in NUMPY.items())


def test_a_file_as_others_write_it_is_read():
    """The layout that the format's own documentation shows."""
    said = {"test": {"dtype": "I32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"foo": "bar"}}
    content = file_of(json.dumps(said).encode() + b"    ", bytes(16))
    assert read(content)["test"] == Tensor("I32", (2, 2), len(content) - 16, len(content))


def one(dtype="U8", shape=(4,), offsets=(0, 4), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


BROKEN = {
    "nothing": b"",
    "too short": b"\x02\0\0",
    "a head of no bytes": file_of(b""),
    "a head beyond the file": file_of({}, length=100),
    "a head beyond all files": b"\xff" * 8 + b"{}",
    "a head beyond the limit": file_of(b"{" + b" " * LARGEST_HEAD + b"}"),
    "no JSON": file_of(b"{nothing}"),
    "no UTF-8": file_of(b'{"\xff": {}}'),
    "no object": file_of([]),
    "deep": file_of(b"[" * 100_000),
    "a name twice": file_of(b'{"a":%s,"a":%s}' % ((json.dumps(one()).encode(),) * 2), bytes(4)),
    "a field twice": file_of(b'{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}', bytes(4)),
    "no tensor": file_of({"a": 4}),
    "a field too many": file_of({"a": one(more=1)}, bytes(4)),
    "a field too few": file_of({"a": {"dtype": "U8", "shape": [4]}}, bytes(4)),
    "an unknown type": file_of({"a": one("OBJECT")}, bytes(4)),
    "a type that is no text": file_of({"a": one(4)}, bytes(4)),
    "another size": file_of({"a": one(shape=(5,))}, bytes(4)),
    "a negative shape": file_of({"a": one(shape=(-2, -2))}, bytes(4)),
    "a shape of fractions": file_of({"a": one(shape=(4.0,))}, bytes(4)),
    "a shape of truths": file_of({"a": one(shape=(True, 4))}, bytes(4)),
    "a shape that is none": file_of({"a": {"dtype": "U8", "shape": 4, "data_offsets": [0, 4]}}, bytes(4)),
    "an endless shape": file_of({"a": one(shape=(1 << 62, 1 << 62))}, bytes(4)),
    "a number of many digits": file_of(b'{"a":{"dtype":"U8","shape":[%s],"data_offsets":[0,4]}}' % (b"9" * 5000)),
    "not a number": file_of(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,4]}}'),
    "too many dimensions": file_of({"a": one(shape=(1,) * MOST_DIMENSIONS + (4,))}, bytes(4)),
    "offsets turned round": file_of({"a": one(offsets=(4, 0))}, bytes(4)),
    "three offsets": file_of({"a": one(offsets=(0, 4, 4))}, bytes(4)),
    "offsets beyond the file": file_of({"a": one()}, bytes(3)),
    "bytes that nobody has": file_of({"a": one()}, bytes(5)),
    "a gap": file_of({"a": one(), "b": one(offsets=(5, 9))}, bytes(9)),
    "a gap before the first": file_of({"a": one(offsets=(1, 5))}, bytes(5)),
    "bytes that two have": file_of({"a": one(), "b": one(offsets=(2, 6))}, bytes(6)),
    "metadata of numbers": file_of({"__metadata__": {"a": 1}}),
    "metadata of no object": file_of({"__metadata__": []}),
    "a long name": file_of({"a" * (LONGEST_NAME + 1): one()}, bytes(4)),
    "no name": file_of({"": one()}, bytes(4)),
    "a name that drives a terminal": file_of({"\x1b[2J": one()}, bytes(4)),
    "too many": file_of({f"{n}": one(shape=(0,), offsets=(0, 0)) for n in range(MOST_TENSORS + 1)}),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_in_the_format_is_refused(content):
    with pytest.raises(TensorError):
        read(content)


@pytest.mark.parametrize(
    "tensors",
    [
        {"a": ("OBJECT", (1,))},
        {"__metadata__": ("U8", (1,))},
        {f"{n}": ("U8", (1,)) for n in range(MOST_TENSORS + 1)},
        {f"{n:04}{'ä' * 190}": ("U8", (0,) * 8) for n in range(MOST_TENSORS)},
    ],
)
def test_what_could_not_be_read_is_not_written(tensors):
    with pytest.raises(TensorError):
        head(tensors)


def test_a_file_that_ends_early_is_told():
    content = head({"a": ("U8", (4,))}) + bytes(4)
    found = read(content)
    with pytest.raises(TensorError):
        list(blocks(BytesIO(content[:-1]), found["a"], 100))
