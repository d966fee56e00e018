"""One's own images for a model to score: a folder, a zip of one, or an .npz, as assets of images have them.

With `labels.csv` the images are those that its column `file` names, in its order; without, all files of the folder
by their names. In an .npz, `images` are beside an array for each column. Nothing of a zip is written anywhere.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import TextIOWrapper
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import BadZipFile, ZipFile, is_zipfile

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.filenames import absolute, is_folder
from medspace.adapters.images import arrays
from medspace.adapters.images.files import FILE, LABELS, MOST_BYTES, UnusableImageError, bounded, content_of, stacked
from medspace.adapters.oswords import why
from medspace.app.features.training.using.rows import OwnRows, number_of, read_rows, rows_of
from medspace.core.text import Text, msgid
from medspace.learning.glm.task import FeatureColumn
from medspace.learning.using.errors import OwnImageError, OwnImagesError
from medspace.learning.using.image_pipeline import Pixels

MOST_FILES = 1_000_000
NAMES = FeatureColumn(FILE, (FILE,))  # read as codes
HIDDEN = (".", "__")  # what begins so is no image of anybody's: .DS_Store, __MACOSX
# Of an archive: a checksum, a password, an unknown packing, an end too early, a name in no encoding, damaged streams.
BROKEN = (BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, struct.error, zlib.error, LZMAError)
Read = Callable[[str], bytes]
Cells = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class OwnImages:
    """Images of one's own, and columns beside them; `rows.names` are what the images are called."""

    rows: OwnRows
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns that are read beside images, what cells without a value hold, and the column with their names."""

    columns: Sequence[FeatureColumn] = ()
    missing: Sequence[str] = ()
    name: str = ""

    @property
    def any(self) -> bool:
        """Whether labels are needed at all."""
        return bool(self.columns or self.name)


def read_images(path: Path, wanted: Wanted) -> OwnImages:
    """The images below a path.

    Raises:
        OwnImageError: one of them cannot be read, or has another shape than the first.
        OwnImagesError, OwnRowsError: there are none, they are too many, or their labels cannot be read.
        MissingExtraError: one is JPEG, and Pillow is not installed.
    """
    with _refusing():
        if is_folder(absolute(path)):
            return _of_folder(absolute(path), wanted)
        if path.suffix == ".npz":
            return _of_arrays(path, wanted)
        if is_zipfile(path):
            with ZipFile(path) as archive:
                return _of_archive(archive, wanted)
        path.open("rb").close()
    raise OwnImagesError(reason=Text(msgid("it is neither a folder nor a .zip or .npz file")))


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OwnImagesError(reason=why(error)) from error
    except TableUnreadableError as error:
        raise OwnImagesError(reason=cast("Text", error.facts["reason"])) from error
    except BROKEN as error:
        raise OwnImagesError(
            reason=Text(msgid("the .zip file is broken, or packed in a way that is not read"))
        ) from error


def _of_folder(folder: Path, wanted: Wanted) -> OwnImages:
    rows = read_rows(folder / LABELS, (NAMES, *wanted.columns), wanted.missing, wanted.name) if wanted.any else None
    if rows is None and (folder / LABELS).is_file():
        rows = read_rows(folder / LABELS, (NAMES,))
    found = (one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())
    return _of_files(rows or _all(found), wanted, lambda file: content_of(folder, file))


def _of_archive(archive: ZipFile, wanted: Wanted) -> OwnImages:
    members = {one.filename: one for one in archive.infolist() if not one.is_dir()}
    if len(members) > MOST_FILES or sum(one.file_size for one in members.values()) > MOST_BYTES:
        raise OwnImagesError(reason=Text(msgid("it unpacks to more than {most} MiB"), {"most": MOST_BYTES >> 20}))
    base = min((name.removesuffix(LABELS) for name in members if name.split("/")[-1] == LABELS), key=len, default="")
    rows = None
    if base + LABELS in members:
        with archive.open(base + LABELS) as opened:
            lines = TextIOWrapper(opened, encoding="utf-8-sig", newline="")
            rows = rows_of(lines, (NAMES, *wanted.columns), wanted.missing, wanted.name)
    elif wanted.any:
        raise OwnImagesError(reason=Text(msgid("it has no {file}"), {"file": LABELS}))

    def content(file: str) -> bytes:
        if base + file not in members:
            raise FileNotFoundError(2, "")
        with archive.open(base + file) as opened:
            return bounded(cast("BinaryIO", opened))

    return _of_files(rows or _all(iter(members)), wanted, content)


def _all(found: Iterator[str]) -> OwnRows:
    """All files, by their names."""
    shown = sorted(file for file in found if not any(part.startswith(HIDDEN) for part in file.split("/")))
    return OwnRows(len(shown), {}, {FILE: list[str | None](shown)}, tuple(shown))


def _of_files(rows: OwnRows, wanted: Wanted, content: Read) -> OwnImages:
    files = [file or "" for file in rows.texts[FILE]]
    try:
        pixels = stacked(len(files), lambda place: content(files[place]))
    except UnusableImageError as error:
        if error.place is None:
            raise OwnImagesError(reason=error.reason) from error
        raise OwnImageError(name=files[error.place] or str(error.place + 1), reason=error.reason) from error
    return _some(rows if wanted.name else replace(rows, names=tuple(files)), pixels)


def _some(rows: OwnRows, pixels: Pixels) -> OwnImages:
    if not len(pixels):
        raise OwnImagesError(reason=Text(msgid("there is no image in it")))
    return OwnImages(rows, pixels)


def _of_arrays(path: Path, wanted: Wanted) -> OwnImages:
    found = dict(arrays.read(path))
    images = arrays.images_of(path, found.pop(arrays.IMAGES, None))
    names = [*(one.name for one in wanted.columns), *([wanted.name] if wanted.name else [])]
    lacking = [name for name in names if name not in found]
    if lacking:
        raise OwnImagesError(reason=Text(msgid("it has no column {columns}"), {"columns": ", ".join(lacking)}))
    cells = {name: arrays.texts_of(arrays.labels_of(path, found[name], len(images))) for name in names}
    called = cells[wanted.name] if wanted.name else map(str, range(1, len(images) + 1))
    shown = tuple(cell or "" for cell in called)
    return _some(OwnRows(len(images), _figures(cells, wanted), _texts(cells, wanted), shown), images)


def _figures(cells: Cells, wanted: Wanted) -> dict[str, list[float]]:
    gaps = {"", *wanted.missing}
    return {
        one.name: [number_of(cell or "", gaps, one.name, place) for place, cell in enumerate(cells[one.name], 1)]
        for one in wanted.columns
        if not one.coded
    }


def _texts(cells: Cells, wanted: Wanted) -> dict[str, list[str | None]]:
    gaps = {"", *wanted.missing}
    coded = [one.name for one in wanted.columns if one.coded]
    return {name: [None if cell is None or cell in gaps else cell for cell in cells[name]] for name in coded}
