"""JSON that is made to break its reader is refused as a message that cannot be read, wherever it comes in."""

import pytest

from medspace.app.doors.protocol.public import _read_step
from medspace.connector import wire
from medspace.connector.errors import MessageError

ODD = {
    "a hundred thousand levels": b"[" * 100_000 + b"]" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "an integer of 100,000 digits": b"9" * 100_000,
    "a number beyond all numbers": b"1e999",
    "no number": b"NaN",
    "infinity": b"-Infinity",
    "half a character": b'"\\ud800"',
    "bytes that are no UTF-8": b'"\xff"',
    "a comment": b"1 /* one */",
    "a comma too many": b"[1,]",
}


def read_step(value):
    return _read_step(b'{"task":{"a":' + value + b'},"round":1,"name":"x"}')[0].task


def read_message(value):
    return wire.decode(b'{"a":' + value + b"}")


@pytest.mark.parametrize("read", [read_message, read_step])
@pytest.mark.parametrize("name", ODD)
def test_odd_json_is_no_message(name, read):
    with pytest.raises(MessageError):
        read(ODD[name])


@pytest.mark.parametrize("read", [read_message, read_step])
def test_the_same_readers_read_what_is_json(read):
    assert read(b'[1, -2.5e3, "\xc3\xa9", null]') == {"a": [1, -2500.0, "\u00e9", None]}


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"\xef\xbb\xbf{}", b"{}{}", b"{} x"])
def test_what_is_no_single_object_is_no_message(content):
    with pytest.raises(MessageError):
        wire.decode(content)
