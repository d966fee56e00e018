"""JPEG files into bytes by Pillow (extra `images`): its JPEG decoder alone, bounded before anything is unpacked.

Grey and RGB of 8 bits a channel, as the file has them: nothing is rotated by what EXIF says, and no other mode is
turned into one of these, since what a conversion makes of it is nobody's image. A file holds one whole picture.
"""

import struct
from io import BytesIO
from typing import Any

import numpy as np

from medspace.adapters.extras import require
from medspace.adapters.images.errors import ImageFormatError
from medspace.adapters.images.pixels import Pixels, check_size
from medspace.core.text import msgid

END = b"\xff\xd9"
SCAN = b"\xff\xda"
MOST_SCANS = 64  # of a progressive file, each of which costs as much as the whole picture; encoders write about ten
MODES = ("L", "RGB")
PAIR = "mp"  # Pillow's name for what says that more pictures follow (CIPA DC-007)


def decode(content: bytes) -> Pixels:
    """The pixels of a file, shape (height, width, channels).

    Raises:
        MissingExtraError: Pillow is not installed.
        ImageFormatError: it is no JPEG file, broken, cut off, of another mode, or larger than an image may be.
    """
    require("PIL", extra="images")
    plugin = require("PIL.JpegImagePlugin", extra="images")
    if not content.endswith(END) or content.count(SCAN) > MOST_SCANS:
        raise _broken()
    try:
        image = plugin.JpegImageFile(BytesIO(content))  # reads the head only
        _check(image)
        image.load()
    except (OSError, SyntaxError, ValueError, IndexError, struct.error) as error:
        if isinstance(error, ImageFormatError):
            raise
        raise _broken() from error
    return np.asarray(image, np.uint8).reshape(image.height, image.width, -1)


def _check(image: Any) -> None:  # noqa: ANN401 - Pillow is imported when it is needed
    check_size(image.width, image.height)
    if image.mode not in MODES or PAIR in image.info:
        raise ImageFormatError(msgid("only JPEG of one picture in grey or RGB is read"))


def _broken() -> ImageFormatError:
    return ImageFormatError(msgid("the JPEG file is broken or cut off"))
