"""Images with labels: decoded within bounds, checked whole, opened within the scope of an admission."""

import io
import struct
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.duckdb.errors import (
    RowsRefusedError,
    ScopeRefusedError,
    TableRefusedError,
    TableUnreadableError,
)
from medspace.adapters.images import arrays as archives
from medspace.adapters.images import files as files_module
from medspace.adapters.images.decoding import decode
from medspace.adapters.images.errors import ImageFormatError, ImageRefusedError
from medspace.adapters.images.source import load
from medspace.core.dictionary import parse
from medspace.core.material import Form
from medspace.core.usage import RowScope
from tests.admissions import admission
from tests.images import PNG, brightness, chunk, pgm, png, write_folder
from tests.shared_data import public

DICTIONARY = parse("""
title = "Scans"
person = "patient"
[columns.patient]
type = "code"
[columns.grade]
type = "integer"
minimum = 0
maximum = 4
""")
LABELS = {"patient": ["p0", "p1", "p0", "p2"], "grade": ["0", "", "4", "1"]}
IMAGES = [brightness(60 * number, seed=number) for number in range(4)]


def folder(tmp_path, images=IMAGES, labels=LABELS):
    return write_folder(tmp_path / "scans", images, labels)


def archive(tmp_path, **more):
    grade = np.array([0, np.nan, 4, 1])
    arrays = {"images": np.stack(IMAGES)[..., 0], "patient": np.array(LABELS["patient"]), "grade": grade} | more
    np.savez_compressed(
        tmp_path / "scans.npz", **{name: array for name, array in arrays.items() if array is not None}
    )
    return tmp_path / "scans.npz"


# --- decoding ----------------------------------------------------------------------------------------------------
@given(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.lists(st.integers(0, 4), min_size=1),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_what_was_encoded_is_decoded(height, width, channels, filters, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)
    np.testing.assert_array_equal(decode(png(pixels, filters)), pixels)
    np.testing.assert_array_equal(decode(pgm(pixels)), pixels)


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_refuse_or_decode(noise):
    for start in (b"", PNG, b"P5\n3 3\n255\n", png(IMAGES[0])[:60]):
        with suppress(ImageFormatError):
            assert decode(start + noise).ndim == 3


def bomb(size=1 << 28):
    """A PNG that says it is small and unpacks to much."""
    data = zlib.compress(bytes(size), 9)
    header = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png(IMAGES[0])[:-1], "broken"),
        (png(IMAGES[0]) + b"x", "broken"),
        (png(IMAGES[0]).replace(b"none", b"nine"), "broken"),
        (png(IMAGES[0], bits=16), "8 bits"),
        (png(IMAGES[0], colour=3), "palette"),
        (png(IMAGES[0], colour=6), "transparency"),
        (png(IMAGES[0], interlaced=1), "interlacing"),
        (PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 1 << 20, 1, 8, 0, 0, 0, 0)) + chunk(b"IEND", b""), "pixels"),
        (PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 1, 8, 0, 0, 0, 0)) + chunk(b"IEND", b""), "empty"),
        (PNG + chunk(b"IHDR", b"short") + chunk(b"IEND", b""), "broken"),
        (PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"IDAT", b"no")
         + chunk(b"IEND", b""), "broken"),
        (PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
         + chunk(b"IDAT", zlib.compress(b"\x05\x00")) + chunk(b"IEND", b""), "broken"),
        (b"P5\n2 2\n255\nxxx", "truncated"),
        (b"P5\n2 2\n255\nxxxxx", "other data follow"),
        (b"P5\n2 2\n65535\nxxxxxxxx", "8 bits"),
        (b"P5\n99999 99999\n255\n", "pixels"),
        (b"\xff\xd8JFIF", "neither"),
        (b"", "neither"),
    ],
)  # fmt: skip
def test_what_is_no_image_of_ours_is_refused_with_why(content, said):
    with pytest.raises(ImageFormatError) as refused:
        decode(content)
    assert said in str(refused.value.reason)


def test_a_file_that_unpacks_to_much_is_not_unpacked():
    packed = bomb()
    assert len(packed) < 1 << 20
    with pytest.raises(ImageFormatError, match="broken"):
        decode(packed)


# --- a folder and an archive --------------------------------------------------------------------------------
def test_a_folder_and_an_archive_of_the_same_content_are_the_same_asset(tmp_path):
    first, second = (load("hearts", path, DICTIONARY) for path in (folder(tmp_path), archive(tmp_path)))
    assert first.digest == second.digest
    for checked in (first, second):
        assert (checked.count, checked.persons, checked.source.form) == (4, 3, Form.IMAGES)
        opened = checked.source.open(admission())
        assert (opened.form, opened.shape, opened.count) == (Form.IMAGES, (4, 5, 1), 4)
        assert [opened.pixels(index) for index in range(4)] == [image.tobytes() for image in IMAGES]
        np.testing.assert_array_equal(opened.numbers("grade"), [0, np.nan, 4, 1])
        assert opened.persons().tolist() == [0, 1, 0, 2]
        assert [column.name for column in opened.dictionary.columns] == ["patient", "grade"]
        assert [column.name for column in checked.published(1).dictionary.columns] == ["patient", "grade"]


def test_within_a_scope_index_and_labels_go_together_and_nothing_else_can_be_seen(tmp_path):
    source = load("hearts", folder(tmp_path), DICTIONARY).source
    opened = source.open(admission(scope=(RowScope("patient", frozenset({"p0"}), within=False),)))
    assert [opened.pixels(index) for index in range(opened.count)] == [IMAGES[1].tobytes(), IMAGES[3].tobytes()]
    np.testing.assert_array_equal(opened.numbers("grade"), [np.nan, 1])
    for outside in (-1, 2, 3):
        with pytest.raises(IndexError):
            opened.pixels(outside)
    with pytest.raises(ScopeRefusedError):
        source.open(admission(scope=(RowScope("file", frozenset({"scans/0.pgm"})),)))
    with pytest.raises(RowsRefusedError):
        source.open(admission(asset="lungs"))


def test_another_pixel_is_another_asset_and_another_row_of_the_same_person(tmp_path):
    before = load("hearts", folder(tmp_path), DICTIONARY)
    changed = IMAGES[0].copy()
    changed[0, 0, 0] ^= 1
    after = load("hearts", folder(tmp_path, [changed, *IMAGES[1:]]), DICTIONARY)
    assert after.digest != before.digest
    (who, said), (who_now, said_now) = (one.source.open(admission()).marks(b"k" * 32) for one in (before, after))
    assert who.tolist() == who_now.tolist()
    assert (said != said_now).tolist() == [True, False, False, False]


def test_without_a_column_of_persons_the_image_is_part_of_who_it_is(tmp_path):
    dictionary = parse('title="t"\nleft_out=["patient"]\n[columns.grade]\ntype="integer"')
    changed = IMAGES[0].copy()
    changed[0, 0, 0] ^= 1
    marks = [
        load("hearts", folder(tmp_path, [image, *IMAGES[1:]]), dictionary)
        .source.open(admission())
        .marks(b"k" * 32)[0]
        for image in (IMAGES[0], changed)
    ]
    assert (marks[0] != marks[1]).tolist() == [True, False, False, False]


def test_a_label_that_breaks_the_dictionary_refuses_all(tmp_path):
    with pytest.raises(TableRefusedError) as refused:
        load("hearts", folder(tmp_path, labels=LABELS | {"grade": ["0", "9", "4", "1"]}), DICTIONARY)
    assert (refused.value.findings[0].row, refused.value.findings[0].column) == (3, "grade")
    with pytest.raises(TableRefusedError):
        load("hearts", archive(tmp_path, grade=np.array([0, 9, 4, 1])), DICTIONARY)


@pytest.mark.parametrize(
    ("file", "said"),
    [("../secret.pgm", "not in the folder"), ("/etc/hostname", "not in the folder"), ("scans/link.pgm", "not in the"),
     ("scans/gone.png", "no such file"), ("scans/../scans", "it is a folder"), ("", "no file"),
     ("labels.csv", "neither PNG"),
     ("scans/big.pgm", "another shape")],
)  # fmt: skip
def test_a_row_without_a_usable_image_refuses_all_and_names_no_file(tmp_path, file, said):
    made = folder(tmp_path)
    (tmp_path / "secret.pgm").write_bytes(pgm(IMAGES[0]))
    (made / "scans" / "link.pgm").symlink_to(tmp_path / "secret.pgm")
    (made / "scans" / "big.pgm").write_bytes(pgm(brightness(1, (9, 9, 1))))
    text = (made / "labels.csv").read_text().replace("scans/1.png", file)
    (made / "labels.csv").write_text(text)
    with pytest.raises(ImageRefusedError, match=said) as refused:
        load("hearts", made, DICTIONARY)
    assert "row 3" in str(refused.value)
    assert not file or file not in str(refused.value)


def test_images_have_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "LARGEST_FILE", 20)
    with pytest.raises(ImageRefusedError, match="64 MiB"):
        load("hearts", folder(tmp_path), DICTIONARY)
    monkeypatch.undo()
    monkeypatch.setattr(files_module, "MOST_BYTES", 79)
    with pytest.raises(TableUnreadableError, match="memory"):
        load("hearts", folder(tmp_path), DICTIONARY)
    monkeypatch.setattr(archives, "MOST_BYTES", 79)
    with pytest.raises(TableUnreadableError, match="unpacks"):
        load("hearts", archive(tmp_path), DICTIONARY)


def test_a_damaged_stream_in_an_archive_is_refused(tmp_path):
    file = tmp_path / "scans.npz"
    np.savez_compressed(file, images=brightness(200, (4, 4, 1)), grade=np.arange(200))
    whole = file.read_bytes()
    for place in range(60, len(whole) - 200, 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        with suppress(TableUnreadableError, TableRefusedError):
            archives.read(file)


def test_the_names_of_files_are_published_nowhere(tmp_path):
    described = parse('title="t"\n[columns.file]\ntype="code"\n[columns.grade]\ntype="integer"')
    with pytest.raises(TableUnreadableError, match="names files"):
        load("hearts", folder(tmp_path), described)


@pytest.mark.parametrize(
    "more",
    [{"images": None}, {"images": np.zeros((4, 2, 2))},
     {"images": np.full((4, 2, 2), np.nan, np.float32)}, {"images": np.zeros((4, 2, 2, 9), np.uint8)},
     {"images": np.zeros((4, 0, 2), np.uint8)}, {"grade": np.zeros(3)}, {"grade": np.zeros((4, 2))},
     {"grade": np.array([b"0"] * 4)}, {"grade": np.array(["2020-01-01"] * 4, "datetime64[D]")}],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(tmp_path, more):
    with pytest.raises(TableUnreadableError):
        load("hearts", archive(tmp_path, **more), DICTIONARY)


def test_truth_values_and_columns_of_one_are_labels_too(tmp_path):
    dictionary = parse('title="t"\nleft_out=["patient", "grade"]\n[columns.sick]\ntype="flag"')
    made = archive(tmp_path, sick=np.array([[True], [False], [True], [False]]))
    assert load("hearts", made, dictionary).source.open(admission()).codes("sick") == ["true", "false"] * 2


def hostile():
    """Archives that would run something, or grow, where somebody read them in good faith."""
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 1, 1), }\n"
    large = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"x"
    return {
        "objects": [("images.npy", objects.getvalue())],
        "a shape of a tebibyte": [("images.npy", large)],
        "another version": [("images.npy", b"\x93NUMPY\x09\x00" + large[8:])],
        "a header that is none": [("images.npy", b"\x93NUMPY\x01\x00\x05\x00;;;;\n")],
        "another file": [("images.py", b"import os")],
        "one name twice": [("images.npy", large), ("images.npy", large)],
    }


@pytest.mark.parametrize("kind", list(hostile()))
def test_an_archive_of_anything_else_is_refused_unread(tmp_path, kind, recwarn):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as made:
        for name, content in hostile()[kind]:
            made.writestr(name, content)
    recwarn.clear()
    with pytest.raises(TableUnreadableError, match="plain arrays"):
        load("hearts", tmp_path / "x.npz", DICTIONARY)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK no")
    with pytest.raises(TableUnreadableError):
        load("hearts", tmp_path / "x.npz", DICTIONARY)


def test_retinas_of_a_public_data_set(tmp_path):
    with np.load(public("retinamnist/retinamnist.npz"), allow_pickle=False) as known:
        images, labels = known["train_images"], known["train_labels"]
    np.savez(tmp_path / "retinas.npz", images=images, grade=labels)
    dictionary = parse('title="Retinas"\n[columns.grade]\ntype="integer"\nminimum=0\nmaximum=4')
    opened = load("hearts", tmp_path / "retinas.npz", dictionary).source.open(admission())
    assert (opened.count, opened.shape) == (len(images), images.shape[1:])
    assert opened.pixels(7) == images[7].tobytes()
    np.testing.assert_array_equal(opened.numbers("grade"), labels[:, 0])
