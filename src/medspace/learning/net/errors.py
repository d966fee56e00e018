"""The errors of neural networks, beside those of their table (`glm.errors`).

RunError
 |- DivergedError  the weights grew without end
 `- UnvalidatedError  no patients were set apart to choose by
StepInvalidError
 `- LocallyDivergedError  a site's own training did not stay finite
InvalidInputError
 |- UpdateHiddenError   a hospital lets no other see what it alone changes
 |- ImagesMissingError  a task on images was asked about a table
 `- ImageShapeError     the images have another size than the task says, or are too many
TorchMissingError         a site trains on images without PyTorch
MonaiMissingError         ... or a DenseNet without MONAI
"""

from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import msgid
from medspace.learning.errors import StepInvalidError
from medspace.runs.errors import RunError


class DivergedError(RunError):
    """The weights grew without end."""

    code = "learning.diverged"
    sentence = msgid("The training diverged in round {round}: the weights grew without bound.")
    next_step = msgid("Lower the learning rate (`rate`, `server_rate`) or the norm bound (`clip`) of the task.")
    exit_code = InvalidInputError.exit_code


class UnvalidatedError(RunError):
    """No patients were set apart, at any site, by whom something could be chosen."""

    code = "learning.unvalidated"
    sentence = msgid("No hospital has enough patients to set apart, so nothing can be chosen by them.")
    next_step = msgid("Leave `search` out of the task, raise `validation`, or ask hospitals with more patients.")
    exit_code = InvalidInputError.exit_code


class LocallyDivergedError(StepInvalidError):
    """A site's own training did not stay finite."""

    code = "learning.locally_diverged"
    sentence = msgid("The training at a hospital diverged in round {round}: the weights grew without bound.")
    next_step = msgid("Lower the learning rate (`rate`) of the task.")


class UpdateHiddenError(InvalidInputError):
    """A hospital lets no other see what it alone changes."""

    code = "learning.update_hidden"
    sentence = msgid(
        "Cyclic training shows what this hospital alone changes to all others, and its contract does not list "
        "{output} among the outputs."
    )
    next_step = msgid("Choose another strategy, such as fedavg, or agree on a contract that lists it.")


class ImagesMissingError(InvalidInputError):
    """A task on images was asked about a table."""

    code = "learning.no_images"
    sentence = msgid("The task trains on images, and this dataset has none.")
    next_step = msgid("Leave `images` out of the task, or ask a hospital whose dataset has images.")


class ImageShapeError(InvalidInputError):
    """The images have another size than the task says, or are too many."""

    code = "learning.image_shape"
    sentence = msgid("The images of this dataset are {found} (height, width, channels); the task wants {wanted}.")
    next_step = msgid("Say the size of the images in `images` of the task; all hospitals have to use the same.")


class TorchMissingError(MedspaceError):
    """A site trains on images without PyTorch."""

    code = "learning.torch_missing"
    sentence = msgid("Looking at images needs PyTorch (the package torch), which is not installed here.")
    next_step = msgid('Run: pip install "medspace[imaging]"')
    exit_code = InvalidInputError.exit_code


class MonaiMissingError(MedspaceError):
    """A site trains a DenseNet without MONAI."""

    code = "learning.monai_missing"
    sentence = msgid("A DenseNet for images needs MONAI (the package monai), which is not installed here.")
    next_step = msgid('Run: pip install "medspace[imaging]"')
    exit_code = InvalidInputError.exit_code
