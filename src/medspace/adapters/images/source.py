"""Checked images, and the source that opens them for an admission: a table of labels, and pixels for each row.

Labels are checked as every table is. Images are decoded once, all of them, and kept: what was checked is used.
An image belongs to its row as a cell does: it counts in the table's digest and in the row's mark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.errors import RowsRefusedError, TableUnreadableError
from medspace.adapters.duckdb.publishing import CheckedTable
from medspace.adapters.duckdb.reading import CHUNK, fill_raw, match, read
from medspace.adapters.duckdb.source import TableRows, load_from, open_rows
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.filenames import absolute, is_folder
from medspace.adapters.images import arrays
from medspace.adapters.images.decoding import decode
from medspace.adapters.images.errors import ImageFormatError, ImageRefusedError
from medspace.adapters.images.pixels import Pixels
from medspace.adapters.oswords import why
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.material import Form
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission

LABELS, FILE, IMAGES = "labels.csv", "file", "images"
LARGEST_FILE = 1 << 26  # bytes of one image file
MOST_BYTES = 1 << 30  # of all images together, decoded
MOST_CHANNELS = 4
PLAIN, CHANNELLED = 3, 4  # dimensions of many images without and with channels
FIRST_ROW = 2  # of labels.csv as a spreadsheet counts; the header is row 1

_EMPTY = np.empty((0, 0, 0, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class LabelledImages(TableRows):
    """Images with their labels, those that an admission's scope lets in (`core.material.Images`)."""

    images: npt.NDArray[np.uint8] = field(default_factory=lambda: _EMPTY, repr=False)  # of all rows of the table

    @property
    def form(self) -> Form:
        """Images."""
        return Form.IMAGES

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of each image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    def pixels(self, index: int) -> bytes:
        """Image `index`, from 0: its bytes row by row, channels last, 8 bits each.

        Raises:
            IndexError: there is none within the scope.
        """
        if not 0 <= index < self.count:
            raise IndexError(index)
        place = index if self.selected is None else int(self.selected[index])
        return bytes(self.images[place].tobytes())


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Opens the images of one asset (`core.material.Source`)."""

    checked: "CheckedImages" = field(repr=False)

    @property
    def form(self) -> Form:
        """Images."""
        return Form.IMAGES

    def open(self, admission: Admission) -> LabelledImages:
        """The images of the admitted asset that its scope lets in.

        Raises:
            RowsRefusedError: it is another asset.
            ScopeRefusedError: the admission's scope does not fit the labels.
        """
        if admission.asset != self.checked.asset:
            raise RowsRefusedError(
                Text(msgid("there are no images for the asset {asset} here"), {"asset": admission.asset})
            )
        rows = open_rows(self.checked.table, admission)
        return LabelledImages(rows.table, rows.scope, rows.selected, self.checked.images)


@dataclass(frozen=True, slots=True)
class CheckedImages(CheckedTable):
    """Loaded images as an asset (`core.material.Checked`): its table is that of the labels."""

    images: npt.NDArray[np.uint8] = field(default_factory=lambda: _EMPTY, repr=False)

    @property
    def source(self) -> ImageSource:
        """Opens them."""
        return ImageSource(self)


def load(asset: str, path: Path, dictionary: Dictionary) -> CheckedImages:
    """Read and check a folder with `labels.csv` (column `file` beside those of the dictionary), or an .npz file.

    The .npz holds the array `images` (uint8, N x height x width, and channels or none) and one array of N labels for
    each column of the dictionary.

    Raises:
        MissingExtraError: duckdb is not installed, or Pillow for JPEG.
        TableUnreadableError, TableRefusedError: the labels cannot be read, or do not keep to the dictionary.
        ImageRefusedError: an image cannot be read, or has another shape than the first.
    """
    path = absolute(path)
    images = _EMPTY

    def fill(connection: Connection) -> Sequence[str]:
        nonlocal images
        images = filler(connection)
        return [sha256(f"{images.shape[1:]}".encode() + image.tobytes()).hexdigest() for image in images]

    if is_folder(path):
        filler: Callable[[Connection], npt.NDArray[np.uint8]] = lambda raw: _from_folder(raw, path, dictionary)  # noqa: E731
        table = load_from(fill, path.name, dictionary, path / LABELS)
    else:
        filler = lambda raw: _from_arrays(raw, path, dictionary)  # noqa: E731
        table = load_from(fill, path.name, dictionary)
    return CheckedImages(asset, table, images=images)


# --- a folder -------------------------------------------------------------------------------------------------------
def _from_folder(raw: Connection, folder: Path, dictionary: Dictionary) -> npt.NDArray[np.uint8]:
    if any(column.name == FILE for column in dictionary.columns):
        told = msgid("its data dictionary describes the column {column}, which names files and is published nowhere")
        raise TableUnreadableError(folder.name, Text(told, {"column": FILE}))
    named = replace(dictionary, columns=(*dictionary.columns, Column(FILE, ColumnType.CODE)))
    read(raw, folder / LABELS, named, "")
    last = f"c{len(dictionary.columns)}"
    files = [row[0] for row in raw.execute(f"SELECT {last} FROM raw ORDER BY row").fetchall()]  # noqa: S608 - a number
    raw.execute(f"ALTER TABLE raw DROP COLUMN {last}")
    images = _EMPTY
    for place, file in enumerate(files):
        image = _image(folder, FIRST_ROW + place, file)
        if not place:
            images = _room(folder, len(files), image)
        if image.shape != images.shape[1:]:
            reason = Text(msgid("it has another shape than the first one"))
            raise ImageRefusedError(folder.name, FIRST_ROW + place, reason)
        images[place] = image
    images.flags.writeable = False
    return images


def _room(folder: Path, count: int, first: Pixels) -> npt.NDArray[np.uint8]:
    if count * first.size > MOST_BYTES:
        raise TableUnreadableError(folder.name, _too_much())
    return np.empty((count, *first.shape), np.uint8)


def _too_much() -> Text:
    return Text(msgid("its images take more than {most} MiB of memory"), {"most": MOST_BYTES >> 20})


def _image(folder: Path, row: int, file: str | None) -> Pixels:
    """The image that a row names, which lies in the folder or below it."""
    if not file or "\0" in file:
        raise ImageRefusedError(folder.name, row, Text(msgid("no file is named")))
    try:
        found = absolute(folder / file)
        if not found.is_relative_to(folder):
            raise ImageRefusedError(folder.name, row, Text(msgid("its file is not in the folder")))
        with found.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageRefusedError(folder.name, row, why(error)) from None
    if len(content) > LARGEST_FILE:
        raise ImageRefusedError(folder.name, row, Text(msgid("its file is larger than 64 MiB")))
    try:
        return decode(content)
    except ImageFormatError as error:
        raise ImageRefusedError(folder.name, row, error.reason) from error


# --- an .npz --------------------------------------------------------------------------------------------------------
def _from_arrays(raw: Connection, path: Path, dictionary: Dictionary) -> npt.NDArray[np.uint8]:
    found = dict(arrays.read(path))
    images = _many(path, found.pop(IMAGES, None))
    order = match(path.name, list(found), dictionary)
    labels = [_labels(path, array, len(images)) for array in found.values()]
    chunks = range(0, len(images), CHUNK)
    fill_raw(raw, len(order), ([_texts(labels[index][at : at + CHUNK]) for index in order] for at in chunks))
    return images


def _many(path: Path, images: arrays.Array | None) -> npt.NDArray[np.uint8]:
    if images is None or images.dtype != np.uint8 or images.ndim not in (PLAIN, CHANNELLED):
        told = msgid("it has no array `images` of N x height x width (x channels) bytes")
        raise TableUnreadableError(path.name, Text(told))
    channelled = images if images.ndim == CHANNELLED else images[..., np.newaxis]
    if not 0 < channelled.shape[3] <= MOST_CHANNELS or not channelled[:1].size:
        raise TableUnreadableError(path.name, Text(msgid("its images are empty or have more than four channels")))
    return np.ascontiguousarray(channelled, np.uint8)


def _labels(path: Path, array: arrays.Array, count: int) -> arrays.Array:
    """One label for each image; N x 1 is as good as N."""
    flat = array.reshape(-1) if array.shape == (count, 1) else array
    if flat.shape != (count,):
        raise TableUnreadableError(
            path.name, Text(msgid("an array of labels does not have one label for each image"))
        )
    return flat


def _texts(labels: arrays.Array) -> list[str | None]:
    """The cells that a CSV file would have."""
    if labels.dtype.kind == "b":
        return ["true" if label else "false" for label in labels.tolist()]
    if labels.dtype.kind == "f":
        return [None if label != label else repr(label) for label in labels.tolist()]  # noqa: PLR0124 - NaN is not itself
    return [str(label) for label in labels.tolist()]
