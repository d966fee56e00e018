"""What an image is once it is decoded, and how large it may be."""

import numpy as np
import numpy.typing as npt

from medspace.adapters.images.errors import ImageFormatError
from medspace.core.text import msgid

Pixels = npt.NDArray[np.uint8]  # (height, width, channels)

LONGEST_SIDE = 16_384
MOST_PIXELS = 1 << 26


def check_size(width: int, height: int) -> None:
    """Refuse an image of more than `MOST_PIXELS`, before its pixels are unpacked.

    Raises:
        ImageFormatError: it is larger, or empty.
    """
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE and width * height <= MOST_PIXELS):
        raise ImageFormatError(msgid("it is empty, or larger than {most} pixels"), most=MOST_PIXELS)
