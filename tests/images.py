"""Folders and archives of small grey images with labels, for tests."""

import struct
import zlib

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, filters=(0,), bits=8, colour=None, interlaced=0):
    """A PNG of (height, width, channels); line k is filtered by the kind number k, in turn."""
    height, width, channels = pixels.shape
    lines, above = [], np.zeros(width * channels, np.int64)
    for place, row in enumerate(pixels.reshape(height, -1).astype(np.int64)):
        kind = filters[place % len(filters)]
        left = np.concatenate([np.zeros(channels, np.int64), row[:-channels]])
        corner = np.concatenate([np.zeros(channels, np.int64), above[:-channels]])
        guesses = {0: 0, 1: left, 2: above, 3: (left + above) // 2, 4: nearest(left, above, corner)}
        lines.append(bytes([kind]) + ((row - guesses[kind]) % 256).astype(np.uint8).tobytes())
        above = row
    colour = {1: 0, 3: 2}[channels] if colour is None else colour
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    data = zlib.compress(b"".join(lines))
    return PNG + b"".join(
        [chunk(b"IHDR", header), chunk(b"tEXt", b"Patient\0none"), chunk(b"IDAT", data[:9]), chunk(b"IDAT", data[9:]),
         chunk(b"IEND", b"")]
    )  # fmt: skip


def nearest(left, above, corner):
    """Paeth's predictor as the recommendation has it (9.4), for a whole line at once."""
    guess = left + above - corner
    distances = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
    return np.choose(distances.argmin(axis=0), [left, above, corner])


def pgm(pixels):
    height, width, channels = pixels.shape
    return f"P{ {1: 5, 3: 6}[channels] }\n# made for a test\n{width} {height}\n255\n".encode() + pixels.tobytes()


def write_folder(folder, images, labels):
    """A folder with these images, PNG and PGM in turn, and their labels: columns with one text for each."""
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    files = []
    for number, image in enumerate(images):
        made = png(image, filters=(number % 5,)) if number % 2 else pgm(image)
        files.append(f"scans/{number}.{'png' if number % 2 else 'pgm'}")
        (folder / files[-1]).write_bytes(made)
    lines = [",".join(["file", *labels]), *(",".join(row) for row in zip(files, *labels.values(), strict=True))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def brightness(level, shape=(4, 5, 1), seed=0):
    """An image about this bright."""
    chance = np.random.default_rng(seed)
    return np.clip(chance.normal(level, 20, shape), 0, 255).astype(np.uint8)
