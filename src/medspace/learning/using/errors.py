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


class OwnImagesError(InvalidInputError):
    """The images to score cannot be read."""

    code = "model.images_unreadable"
    sentence = msgid("The images cannot be read: {reason}.")
    next_step = msgid(
        "Give a folder of image files, or a .zip of one, with `labels.csv` beside them if columns are needed; or an "
        ".npz with the array `images`."
    )


class OwnImageError(InvalidInputError):
    """One of the images to score cannot be used."""

    code = "model.image_unusable"
    sentence = msgid("The image {name} cannot be used: {reason}.")
    next_step = msgid("Fix the image or leave it out; nothing was scored.")


class OwnClassError(InvalidInputError):
    """A row has a class that a model does not know."""

    code = "model.class_unknown"
    sentence = msgid("The column {column} holds {code}, which is none of the classes of this model ({classes}).")
    next_step = msgid("Write the classes as the model names them, and leave cells without an outcome empty.")


class ImageSizeError(InvalidInputError):
    """The images to score have another size than those that a model learned from."""

    code = "model.image_size"
    sentence = msgid("The images are {found} (height, width, channels); the model takes {wanted}.")
    next_step = msgid("Crop and scale them as those were that it learned from; `labels.csv` may name other files.")


class TooFewRowsError(InvalidInputError):
    """There are too few rows to adapt a model to."""

    code = "model.rows_too_few"
    sentence = msgid("There are too few rows: adapting a model takes {least} persons with a known outcome or more.")
    next_step = msgid("Use the model as it is: `medspace predict`.")


class NotAdaptableError(InvalidInputError):
    """Models for other outcomes than yes/no and ordered classes are not adapted."""

    code = "model.not_adaptable"
    sentence = msgid(
        "Only a model for a yes/no outcome or for classes in order can be adapted; this one is for {target}."
    )
    next_step = msgid("Use the model as it is: `medspace predict`.")


class NotNormalisedError(InvalidInputError):
    """A model that does not scale its columns cannot scale them otherwise."""

    code = "model.not_normalised"
    sentence = msgid("This model takes columns as they were measured, so there is no scaling to replace by your own.")
    next_step = msgid("Choose another `--how`, or none: then the best way on your rows is taken.")


class WayMissingError(InvalidInputError):
    """The last layer of a model with several outputs is not trained on alone."""

    code = "model.way_missing"
    sentence = msgid(
        "Only the last layer of a model for a yes/no outcome is trained on alone; this one is for {target}."
    )
    next_step = msgid("Choose another `--how`, or none: then the best way on your rows is taken.")


class AdaptedBeforeError(RefusedError):
    """A file is that of an adapted model already."""

    code = "model.adapted_before"
    sentence = msgid("This model was adapted to the rows of one place already ({how}).")
    next_step = msgid("Adapt the model that it began with: get its file from whoever trained it.")
