"""PNG, PGM/PPM and JPEG files of 8 bits a channel into bytes, bounded before anything is unpacked.

Grey and RGB, without palette, transparency or interlacing: what a hospital exports for training. PNG is the W3C
recommendation (third edition), PGM and PPM are the binary forms P5 and P6 of Netpbm. JPEG goes
through Pillow (`jpeg.py`).
"""

import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from medspace.adapters.images import jpeg
from medspace.adapters.images.errors import ImageFormatError
from medspace.adapters.images.pixels import Pixels, check_size
from medspace.core.text import msgid

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
CHANNELS = {0: 1, 2: 3}  # of the colour types of PNG that are read
BITS = 8
_HEADER = struct.Struct(">IIBBBBB")
_NETPBM = re.compile(rb"P([56])(?:\s+|\s*#[^\n]*\n\s*)(\d{1,5})\s+(\d{1,5})\s+(\d{1,5})\s")


def decode(content: bytes) -> Pixels:
    """The pixels of a file, shape (height, width, channels).

    Raises:
        ImageFormatError: it is none of these formats, broken, or larger than an image may be.
        MissingExtraError: it is JPEG, and Pillow is not installed.
    """
    if content.startswith(PNG):
        return _png(content)
    if content.startswith(JPEG):
        return jpeg.decode(content)
    found = _NETPBM.match(content)
    if found is None:
        raise ImageFormatError(msgid("it is neither PNG, JPEG nor binary PGM or PPM"))
    channels = {b"5": 1, b"6": 3}[found[1]]
    width, height, most = (int(found[place]) for place in (2, 3, 4))
    if most != 255:  # noqa: PLR2004 - eight bits
        raise ImageFormatError(msgid("it does not have 8 bits a channel"))
    check_size(width, height)
    size = width * height * channels
    if len(content) - found.end() != size:
        raise ImageFormatError(msgid("it is truncated, or other data follow it"))
    return np.frombuffer(content, np.uint8, size, found.end()).reshape(height, width, channels)


def _png(content: bytes) -> Pixels:
    chunks = list(_chunks(content))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != _HEADER.size or chunks[-1][0] != b"IEND":
        raise _broken()
    width, height, bits, colour, packing, filtering, interlaced = _HEADER.unpack(chunks[0][1])
    if bits != BITS or colour not in CHANNELS or interlaced or packing or filtering:
        reason = msgid("only grey and RGB of 8 bits, without palette, transparency or interlacing, are read")
        raise ImageFormatError(reason)
    check_size(width, height)
    channels = CHANNELS[colour]
    size = height * (1 + width * channels)
    lines = _inflated(b"".join(data for kind, data in chunks if kind == b"IDAT"), size)
    return _unfiltered(np.frombuffer(lines, np.uint8).reshape(height, -1), channels).reshape(height, width, channels)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk up to the end of the image (11.2.5); each has a checksum."""
    at = len(PNG)
    while at + 12 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        data, said = content[at + 8 : at + 8 + size], content[at + 8 + size : at + 12 + size]
        if len(said) < 4 or zlib.crc32(kind + data).to_bytes(4) != said:  # noqa: PLR2004 - bytes of a checksum
            raise _broken()
        at += 12 + size
        yield kind, data
        if kind == b"IEND":
            break
    if at != len(content):
        raise _broken()


def _inflated(packed: bytes, size: int) -> bytes:
    """Exactly `size` bytes: a stream that holds more is not unpacked any further."""
    stream = zlib.decompressobj()
    try:
        lines = stream.decompress(packed, size)
    except zlib.error:
        raise _broken() from None
    if len(lines) != size or stream.unconsumed_tail or stream.unused_data:
        raise _broken()
    return lines


def _unfiltered(lines: Pixels, channels: int) -> Pixels:
    """Undo the filters of the lines (9.2): the first byte of each line says which."""
    made = np.zeros((len(lines), lines.shape[1] - 1), np.uint8)
    above = np.zeros(lines.shape[1] - 1, np.uint8)
    for place, line in enumerate(lines):
        kind, coded = int(line[0]), line[1:]
        if kind == 0:
            made[place] = coded
        elif kind == 1:
            made[place] = np.cumsum(coded.reshape(-1, channels), axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:  # noqa: PLR2004 - Up
            made[place] = coded + above
        elif kind in (3, 4):
            made[place] = _predicted(coded.tolist(), above.tolist(), channels, paeth=kind == 4)  # noqa: PLR2004
        else:
            raise _broken()
        above = made[place]
    return made


def _predicted(coded: list[int], above: list[int], channels: int, *, paeth: bool) -> list[int]:
    """A line of the filters Average and Paeth, whose every byte needs the one before it."""
    made: list[int] = []
    for place, byte in enumerate(coded):
        left = made[place - channels] if place >= channels else 0
        up, corner = above[place], above[place - channels] if place >= channels else 0
        guess = _paeth(left, up, corner) if paeth else (left + up) >> 1
        made.append((byte + guess) & 0xFF)
    return made


def _paeth(left: int, up: int, corner: int) -> int:
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner


def _broken() -> ImageFormatError:
    return ImageFormatError(msgid("the PNG file is broken"))
