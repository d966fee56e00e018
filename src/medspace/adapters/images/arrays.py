"""The arrays of an .npz file, read as plain numbers and texts: nothing in it can run, and nothing grows unpacked.

The format of an array is the one of NumPy (NEP 1); what its header says must be what the archive says of its size.
"""

import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.core.text import Text, msgid

Array = npt.NDArray[np.generic]
MOST_BYTES = 1 << 30  # of all arrays together, unpacked
MOST_ARRAYS = 1000
KINDS = "biufU"  # truth values, whole numbers, fractions, texts; no objects, no bytes, no times
SUFFIX = ".npy"
IMAGES = "images"  # the name of the array with the images
MOST_CHANNELS = 4
PLAIN, CHANNELLED = 3, 4  # dimensions of many images without and with channels


def read(path: Path) -> Mapping[str, Array]:
    """Every array of the file, by its name.

    Raises:
        TableUnreadableError: it is no such archive, holds something else, or too much.
        OSError: it cannot be read.
    """
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_ARRAYS or sum(member.file_size for member in members) > MOST_BYTES:
                facts = {"most": MOST_BYTES >> 20}
                raise TableUnreadableError(path.name, Text(msgid("it unpacks to more than {most} MiB"), facts))
            found = {}
            for member in members:
                name = member.filename.removesuffix(SUFFIX)
                if name == member.filename or name in found:
                    raise _broken(path)
                with archive.open(member) as file:
                    found[name] = _array(path, file, member.file_size)
            return found
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise _broken(path) from error  # another packing, a password, a header that is none, a damaged stream


def _array(path: Path, file: IO[bytes], size: int) -> Array:
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise _broken(path)
    shape, columns_first, kind = header(file)
    length = math.prod(shape) * kind.itemsize
    if kind.kind not in KINDS or kind.hasobject or file.tell() + length != size:
        raise _broken(path)
    array = np.frombuffer(file.read(length), kind)
    return array.reshape(shape, order="F" if columns_first else "C")


def images_of(path: Path, images: Array | None) -> npt.NDArray[np.uint8]:
    """The array of the images, channels last.

    Raises:
        TableUnreadableError: it is none.
    """
    if images is None or images.dtype != np.uint8 or images.ndim not in (PLAIN, CHANNELLED):
        told = msgid("it has no array `images` of N x height x width (x channels) bytes")
        raise TableUnreadableError(path.name, Text(told))
    channelled = images if images.ndim == CHANNELLED else images[..., np.newaxis]
    if not 0 < channelled.shape[3] <= MOST_CHANNELS or not channelled[:1].size:
        raise TableUnreadableError(path.name, Text(msgid("its images are empty or have more than four channels")))
    return np.ascontiguousarray(channelled, np.uint8)


def labels_of(path: Path, array: Array, count: int) -> Array:
    """One label for each image; N x 1 is as good as N.

    Raises:
        TableUnreadableError: there is another number of them.
    """
    flat = array.reshape(-1) if array.shape == (count, 1) else array
    if flat.shape != (count,):
        raise TableUnreadableError(
            path.name, Text(msgid("an array of labels does not have one label for each image"))
        )
    return flat


def texts_of(labels: Array) -> list[str | None]:
    """The cells that a CSV file would have."""
    if labels.dtype.kind == "b":
        return ["true" if label else "false" for label in labels.tolist()]
    if labels.dtype.kind == "f":
        return [None if label != label else repr(label) for label in labels.tolist()]  # noqa: PLR0124 - NaN is not itself
    return [str(label) for label in labels.tolist()]


def _broken(path: Path) -> TableUnreadableError:
    return TableUnreadableError(path.name, Text(msgid("it is not an .npz of plain arrays")))
