"""One's own images from a folder, a zip or an .npz: what is read, what is refused, and that the model scores them."""

import struct
import sys
import zipfile
import zlib
from datetime import UTC, datetime

import numpy as np
import pytest

from medspace.adapters.images import files as image_files
from medspace.app.features.training.using import images as reading
from medspace.app.features.training.using.images import Wanted, read_images
from medspace.app.features.training.using.predicting import checked, open_model, predicted
from medspace.learning.glm.task import FeatureColumn
from medspace.learning.net.convolution import torch
from medspace.learning.net.errors import TorchMissingError
from medspace.learning.using.errors import (
    AdaptedBeforeError,
    ImageSizeError,
    NotAdaptableError,
    OwnClassError,
    OwnImageError,
    OwnImagesError,
    OwnRowsError,
    TooFewRowsError,
)
from medspace.learning.using.packing import PackedModel, packed
from medspace.sdk import adapt
from tests.unit.learning.image_models import made, photographs

SICK = (FeatureColumn("sick"), FeatureColumn("sex", ("f", "m")))


def pnm(image):
    """An image as binary PGM or PPM."""
    height, width, channels = image.shape
    return f"P{'6' if channels == 3 else '5'} {width} {height} 255\n".encode() + image.tobytes()


def png(image):
    """The same as PNG."""
    height, width, channels = image.shape
    lines = b"".join(b"\0" + line.tobytes() for line in image)
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    said = b"".join(len(d).to_bytes(4) + k + d + zlib.crc32(k + d).to_bytes(4) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + said


def packed_of(model):
    """The file of a model, signed by nobody."""
    return packed(PackedModel(model, {"facts": {"parameters": model.digest()}, "signed": {}, "said": {}}, ""))


def images(count=3, channels=3, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, channels), dtype=np.uint8)


LABELS = "file,sick,sex,patient\nb.png,1,f,p1\nsub/a.ppm,0,,p2\nb.png,,m,p3\n"


def contents(labels=None):
    first, second, _ = images()
    said = {"b.png": png(first), "sub/a.ppm": pnm(second), ".DS_Store": b"x"}
    return said | ({"labels.csv": labels.encode()} if labels else {})


def folder(place, files):
    for name, content in files.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return place


def archive(place, files, base=""):
    with zipfile.ZipFile(place / "given.zip", "w", zipfile.ZIP_DEFLATED) as made_of:
        for name, content in files.items():
            made_of.writestr(base + name, content)
    return place / "given.zip"


@pytest.fixture(params=["folder", "zip", "zip of a folder"])
def given(request, tmp_path):
    """Writes files in one of the forms."""

    def write(files):
        if request.param == "folder":
            return folder(tmp_path / "given", files)
        return archive(tmp_path, files, "scans/" if "of" in request.param and "labels.csv" in files else "")

    return write


def test_without_labels_all_files_are_read_by_their_names(given):
    found = read_images(given(contents()), Wanted())
    assert found.rows.names == ("b.png", "sub/a.ppm")
    assert (found.pixels == images()[:2]).all()


def test_with_labels_it_is_their_order_and_their_columns(given):
    found = read_images(given(contents(LABELS)), Wanted(SICK, name="patient"))
    assert found.rows.names == ("p1", "p2", "p3")
    assert (found.pixels == images()[[0, 1, 0]]).all()
    assert list(found.rows.numbers("sick"))[:2] == [1.0, 0.0]
    assert found.rows.codes("sex") == ["f", None, "m"]
    assert read_images(given(contents(LABELS)), Wanted()).rows.names == ("b.png", "sub/a.ppm", "b.png")


def test_an_npz_has_an_array_for_each_column(tmp_path):
    file = tmp_path / "own.npz"
    np.savez(
        file, images=images(channels=1)[..., 0], sick=np.array([1.0, np.nan, 0.0]), sex=np.array(["f", "?", "m"])
    )
    found = read_images(file, Wanted(SICK, ("?",)))
    assert found.pixels.shape == (3, 6, 5, 1)
    assert np.isnan(list(found.rows.numbers("sick"))).tolist() == [False, True, False]
    assert (found.rows.codes("sex"), found.rows.names) == (["f", None, "m"], ("1", "2", "3"))
    with pytest.raises(OwnImagesError, match="patient"):
        read_images(file, Wanted(SICK, name="patient"))


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"b.png": b"no image"}, OwnImageError, r"b\.png.*neither PNG"),
        ({"b.png": png(images()[0])[:-20]}, OwnImageError, r"b\.png.*broken"),
        ({"b.png": png(images()[0, :5])}, OwnImageError, r"a\.ppm.*another shape"),
        ({"note.txt": b"see you"}, OwnImageError, r"note\.txt"),
        ({"labels.csv": b"file\nb.png\nc.png\n"}, OwnImageError, r"c\.png"),
        ({"labels.csv": b"file\n\n"}, OwnImagesError, "no image"),
        ({"labels.csv": b"image\nb.png\n"}, OwnRowsError, "no column file"),
        ({"labels.csv": b"file\n\xff\n"}, OwnRowsError, "UTF-8"),
        ({"labels.csv": b"file\n../secret.png\n"}, OwnImageError, "secret"),
    ],
)
def test_what_is_no_image_is_named(given, tmp_path, changed, error, words):
    (tmp_path / "secret.png").write_bytes(png(images()[0]))
    with pytest.raises(error, match=words):
        read_images(given(contents() | changed), Wanted())


def test_columns_that_are_wanted_need_labels(given):
    with pytest.raises((OwnImagesError, OwnRowsError)):
        read_images(given(contents()), Wanted(SICK))


def test_a_folder_without_images_a_lone_file_and_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.csv").write_text("a\n1\n")
    for name, words in (("empty", "no image"), ("rows.csv", "neither a folder"), ("nowhere", "file")):
        with pytest.raises(OwnImagesError, match=words):
            read_images(tmp_path / name, Wanted())


def test_images_have_the_bounds_of_an_asset_s(monkeypatch, given):
    path = given(contents())
    monkeypatch.setattr(image_files, "MOST_BYTES", 2 * 6 * 5 * 3 - 1)
    with pytest.raises(OwnImagesError, match="memory"):
        read_images(path, Wanted())
    monkeypatch.setattr(image_files, "LARGEST_FILE", 40)
    with pytest.raises(OwnImageError, match="larger than 64 MiB"):
        read_images(path, Wanted())


def test_a_zip_that_would_grow_or_is_locked_or_broken(monkeypatch, tmp_path):
    path = archive(tmp_path, contents())
    whole = path.read_bytes()
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    with pytest.raises(OwnImagesError, match="unpacks"):
        read_images(path, Wanted())
    monkeypatch.undo()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_images(path, Wanted())
        except (OwnImagesError, OwnImageError, OwnRowsError):
            continue


def test_a_file_of_a_model_scores_its_images(tmp_path):
    pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
    model = made()
    (tmp_path / "model.safetensors").write_bytes(packed_of(model))
    seen = photographs(model, 4)
    own = folder(tmp_path / "own", {f"{place}.ppm": pnm(image) for place, image in enumerate(seen)})
    found = predicted(tmp_path / "model.safetensors", own)
    assert found["outputs"] == ["none", "mild", "severe"]
    assert [one["row"] for one in found["rows"]] == ["0.ppm", "1.ppm", "2.ppm", "3.ppm"]
    assert np.array([one["scores"] for one in found["rows"]]) == pytest.approx(model.score(seen))
    other = folder(tmp_path / "other", {"a.ppm": pnm(images()[0])})
    with pytest.raises(ImageSizeError, match="6 x 5 x 3"):
        predicted(tmp_path / "model.safetensors", other)


def clinic(place, model, grades):
    """An .npz with as many images as grades, written as the names of the classes."""
    np.savez(place / "own.npz", images=photographs(model, len(grades)), sick=np.array(grades))
    (place / "model.safetensors").write_bytes(packed_of(model))
    return place / "model.safetensors", place / "own.npz", place / "adapted.safetensors"


def test_a_net_for_images_is_adapted_to_one_s_own(tmp_path):
    pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
    model = made(height=8, width=8, kept=(0, 1, 2))
    files = clinic(tmp_path, model, ["none", "mild", "mild", "severe", ""] * 10)
    found = adapt(*files, how="ditto")
    assert (found["how"], found["rows"]) == ("ditto", 40)  # without those that have no grade
    assert found["pull"] in (1.0, 0.1, 0.01)
    packed_model = open_model(files[2])
    assert packed_model.adapted.how == "ditto"
    assert packed_model.pipeline.digest() != model.digest()
    assert checked(files[2], "", datetime.now(UTC))["outcome"] == "unverifiable"
    with pytest.raises(AdaptedBeforeError):
        adapt(files[2], files[1], tmp_path / "again.safetensors")


@pytest.mark.parametrize(
    ("head", "grades", "error", "words"),
    [
        ("ordinal", ["none", "blind"] * 15, OwnClassError, "blind"),
        ("classes", ["a", "b"] * 15, NotAdaptableError, "sick"),
        ("ordinal", ["none", "mild"] * 8, TooFewRowsError, "27"),
    ],
)
def test_what_it_cannot_be_adapted_to_is_said(tmp_path, head, grades, error, words):
    pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
    with pytest.raises(error, match=words):
        adapt(*clinic(tmp_path, made(head=head, height=8, width=8), grades))


def test_without_pytorch_the_sentence_says_which_extra(tmp_path, monkeypatch):
    model, own, _ = clinic(tmp_path, made(), ["none"] * 3)
    torch.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TorchMissingError, match=r"medspace\[imaging\]"):
        predicted(model, own)
    torch.cache_clear()
