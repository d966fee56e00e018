"""JPEG as images of an asset: decoded by Pillow within bounds; where it is not installed, the command is said."""

import struct
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.extras import MissingExtraError
from medspace.adapters.images.decoding import decode
from medspace.adapters.images.errors import ImageFormatError, ImageRefusedError
from medspace.adapters.images.jpeg import MOST_SCANS, SCAN
from medspace.adapters.images.source import load
from medspace.core.dictionary import parse
from tests.admissions import admission
from tests.images import brightness

Image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")

DICTIONARY = parse("""
title = "Scans"
[columns.grade]
type = "integer"
minimum = 0
maximum = 4
""")
GREY, RGB = brightness(90, (16, 24, 1)), brightness(150, (16, 24, 3))


def jpeg(pixels, mode=None, **more):
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    written = BytesIO()
    (image.convert(mode) if mode else image).save(written, "JPEG", **({"quality": 100, "subsampling": 0} | more))
    return written.getvalue()


def resized(content, height, width):
    """The file with another size in its frame header (ITU-T T.81 B.2.2): what it says is not what it holds."""
    at = next(at for at in range(2, len(content)) if content[at : at + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def several():
    """Two pictures in one file (MPO), as cameras with two lenses write."""
    written, more = BytesIO(), [Image.fromarray(RGB)]
    Image.fromarray(RGB).save(written, "MPO", save_all=True, append_images=more)
    return written.getvalue()


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_and_rgb_are_decoded(pixels, progressive):
    found = decode(jpeg(pixels, progressive=progressive))
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    assert np.abs(found.astype(int) - pixels).mean() < 4


def test_what_exif_says_of_turning_is_not_done():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(jpeg(RGB, exif=exif)).shape == RGB.shape


PROGRESSIVE = jpeg(RGB, progressive=True)
BROKEN = {
    "cut off": (jpeg(RGB)[:-200], "cut off"),
    "without its end": (jpeg(RGB)[:-2], "cut off"),
    "more behind it": (jpeg(RGB) + b"x", "cut off"),
    "cut off, with an end": (jpeg(RGB)[:300] + b"\xff\xd9", "cut off"),
    "many scans": (PROGRESSIVE[:-2] + (SCAN + b"\0\2") * MOST_SCANS + b"\xff\xd9", "broken"),
    "no frame": (b"\xff\xd8\xff\xe0\0\4xx\xff\xd9", "broken"),
    "CMYK": (jpeg(RGB, mode="CMYK"), "grey or RGB"),
    "two pictures": (several(), "grey or RGB"),
    "many pixels": (resized(jpeg(RGB), 9_000, 9_000), "pixels"),
    "a long side": (resized(jpeg(RGB), 1, 65_000), "pixels"),
    "no height": (resized(jpeg(RGB), 0, 24), "broken"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_not_one_whole_picture_is_refused_with_why(how):
    content, said = BROKEN[how]
    with pytest.raises(ImageFormatError) as refused:
        decode(content)
    assert said in str(refused.value.reason)


@given(st.integers(2, 600), st.binary(min_size=1, max_size=4))
def test_no_change_does_anything_but_refuse_or_decode(place, noise):
    content = jpeg(RGB, progressive=True)
    try:
        found = decode(content[:place] + noise + content[place + len(noise) :])
    except ImageFormatError:
        return
    assert found.dtype == np.uint8


def folder(tmp_path):
    for number, image in enumerate((RGB, RGB[::-1])):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(np.ascontiguousarray(image)))
    (tmp_path / "labels.csv").write_text("file,grade\n0.jpg,1\n1.jpg,2\n")
    return tmp_path


def test_a_folder_of_jpeg_is_an_asset(tmp_path):
    checked = load("retinas", folder(tmp_path), DICTIONARY)
    images = checked.source.open(admission(asset="retinas"))
    assert (images.count, images.shape) == (2, RGB.shape)
    (tmp_path / "1.jpg").write_bytes(jpeg(RGB)[:-9])
    with pytest.raises(ImageRefusedError, match=r"row 3.*cut off"):
        load("retinas", tmp_path, DICTIONARY)


def test_without_pillow_the_command_is_said(tmp_path, monkeypatch):
    made = folder(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError) as missing:
        load("retinas", made, DICTIONARY)
    assert str(missing.value.advice) == 'Run: pip install "medspace[images]"'
