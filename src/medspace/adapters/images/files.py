"""Many image files as one array of bytes: all of one shape, bounded before they are read and unpacked."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from medspace.adapters.filenames import absolute
from medspace.adapters.images.decoding import decode
from medspace.adapters.images.errors import ImageFormatError
from medspace.adapters.oswords import why
from medspace.core.text import Text, msgid

LABELS, FILE = "labels.csv", "file"  # beside the files, and its column that names them
LARGEST_FILE = 1 << 26  # bytes of one image file
MOST_BYTES = 1 << 30  # of all images together, decoded
EMPTY = np.empty((0, 0, 0, 0), np.uint8)
Images = npt.NDArray[np.uint8]  # images x height x width x channels


class UnusableImageError(ValueError):
    """One of the files is no image that goes with the others; `place` counts from 0, `reason` is for people.

    Without a place it is about all of them.
    """

    def __init__(self, place: int | None, reason: Text) -> None:
        super().__init__(str(reason))
        self.place = place
        self.reason = reason


def content_of(folder: Path, file: str | None) -> bytes:
    """The bytes of a file that lies in an absolute folder or below it.

    Raises:
        ImageFormatError: none is named, it is elsewhere, or too large.
        OSError: it cannot be read.
    """
    if not file or "\0" in file:
        raise ImageFormatError(msgid("no file is named"))
    found = absolute(folder / file)
    if not found.is_relative_to(folder):
        raise ImageFormatError(msgid("its file is not in the folder"))
    with found.open("rb") as opened:
        return bounded(opened)


def bounded(opened: BinaryIO) -> bytes:
    """All of an open file.

    Raises:
        ImageFormatError: it is too large for an image.
    """
    content = opened.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ImageFormatError(msgid("its file is larger than 64 MiB"))
    return content


def stacked(count: int, content: Callable[[int], bytes]) -> Images:
    """So many images, by the bytes of the file of each; they can no longer be changed.

    Raises:
        UnusableImageError: a file cannot be read, is no image or has another shape than the first; or they are too
            many.
        MissingExtraError: one is JPEG, and Pillow is not installed.
    """
    images = EMPTY
    for place in range(count):
        try:
            image = decode(content(place))
        except ImageFormatError as error:
            raise UnusableImageError(place, error.reason) from error
        except OSError as error:
            raise UnusableImageError(place, why(error)) from error
        if not place:
            if count * image.size > MOST_BYTES:
                raise UnusableImageError(None, too_much())
            images = np.empty((count, *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise UnusableImageError(place, Text(msgid("it has another shape than the first one")))
        images[place] = image
    images.flags.writeable = False
    return images


def too_much() -> Text:
    """Why images are too many."""
    return Text(msgid("its images take more than {most} MiB of memory"), {"most": MOST_BYTES >> 20})
