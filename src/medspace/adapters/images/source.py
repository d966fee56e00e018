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
from medspace.adapters.images.errors import ImageRefusedError
from medspace.adapters.images.files import EMPTY, FILE, LABELS, UnusableImageError, content_of, stacked
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.material import Form
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission

FIRST_ROW = 2  # of labels.csv as a spreadsheet counts; the header is row 1


@dataclass(frozen=True, slots=True)
class LabelledImages(TableRows):
    """Images with their labels, those that an admission's scope lets in (`core.material.Images`)."""

    images: npt.NDArray[np.uint8] = field(default_factory=lambda: EMPTY, repr=False)  # of all rows of the table

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

    images: npt.NDArray[np.uint8] = field(default_factory=lambda: EMPTY, repr=False)

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
    images = EMPTY

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
    try:
        return stacked(len(files), lambda place: content_of(folder, files[place]))
    except UnusableImageError as error:
        if error.place is None:
            raise TableUnreadableError(folder.name, error.reason) from error
        raise ImageRefusedError(folder.name, FIRST_ROW + error.place, error.reason) from error


# --- an .npz --------------------------------------------------------------------------------------------------------
def _from_arrays(raw: Connection, path: Path, dictionary: Dictionary) -> npt.NDArray[np.uint8]:
    found = dict(arrays.read(path))
    images = arrays.images_of(path, found.pop(arrays.IMAGES, None))
    order = match(path.name, list(found), dictionary)
    labels = [arrays.labels_of(path, array, len(images)) for array in found.values()]
    chunks = range(0, len(images), CHUNK)
    fill_raw(raw, len(order), ([arrays.texts_of(labels[index][at : at + CHUNK]) for index in order] for at in chunks))
    return images
