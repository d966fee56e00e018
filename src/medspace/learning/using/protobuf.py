"""Messages of Protocol Buffers in their wire format, as far as ONNX needs them: written, never read.

A message is a sequence of fields; a field is its number and wire type, then an integer (type 0, base 128) or its
length and bytes (type 2) (protobuf.dev, "Encoding").
"""

from collections.abc import Iterable

Field = int | str | bytes


def message(*fields: "tuple[int, Field | Iterable[Field]]") -> bytes:
    """The bytes of a message: numbers of fields with their values, one each or several."""
    return b"".join(_fields(number, value) for number, value in fields)


def _fields(number: int, value: "Field | Iterable[Field]") -> bytes:
    if isinstance(value, int | str | bytes):
        return _field(number, value)
    return b"".join(_field(number, one) for one in value)


def _field(number: int, value: Field) -> bytes:
    if isinstance(value, int):
        return _integer(number << 3) + _integer(value)
    content = value.encode() if isinstance(value, str) else value
    return _integer(number << 3 | 2) + _integer(len(content)) + content


def _integer(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative ones as 64 bits
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits each
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
