"""What can go wrong with a model that is used elsewhere."""

from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import msgid


class PackedModelError(InvalidInputError):
    """A file holds no model, or one that was changed."""

    code = "model.file_invalid"
    sentence = msgid("This is no file of a model as `medspace model ID --out FILE` writes it, or it was changed.")
    next_step = msgid("Get the file again from whoever has the model.")


class ModelUnpackableError(RefusedError):
    """Models of a kind of task have no such file."""

    code = "model.no_file"
    sentence = msgid("Models of this kind ({kind}) cannot be written to a file.")
    next_step = msgid("`medspace model ID --json` shows what the model holds.")


class OwnRowsError(InvalidInputError):
    """The rows to score cannot be read."""

    code = "model.rows_unreadable"
    sentence = msgid("The rows cannot be read: {reason}.")
    next_step = msgid("Give a CSV file whose first line names the columns, with those that the model uses.")
