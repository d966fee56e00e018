"""What can be wrong with images.

InvalidInputError
 `- ImageRefusedError   an image cannot be used; named by its row, as the name of its file may be a patient's
"""

from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid


class ImageRefusedError(InvalidInputError):
    """The image of a row cannot be used."""

    code = "image.refused"
    sentence = msgid("The image of row {row} in {place} cannot be used: {reason}.")
    next_step = msgid("Fix the image or leave the row out; nothing of the images was loaded.")

    def __init__(self, place: str, row: int, reason: Text) -> None:
        super().__init__(place=place, row=row, reason=reason)


class ImageFormatError(ValueError):
    """The bytes of a file are no image that we read; `reason` says why, in words for people."""

    def __init__(self, reason: str, **facts: int) -> None:
        super().__init__(reason)
        self.reason = Text(reason, facts)
