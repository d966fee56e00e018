"""Which kinds of task have models that are a pipeline."""

from importlib import import_module
from typing import TYPE_CHECKING

from medspace.learning.using.errors import ModelUnpackableError
from medspace.runs.model import Model

if TYPE_CHECKING:
    from medspace.learning.using.packing import Computed

# Each has a function `pipeline`; a module is imported once a model of its kind is used.
PREDICTING = {
    "glm": "medspace.learning.using.glm",
    "cox": "medspace.learning.using.cox",
    "net": "medspace.learning.using.net",
}


def portable(model: Model) -> bool:
    """Whether a model can leave as a file."""
    return model.task.get("task") in PREDICTING


def pipeline_of(model: Model) -> "Computed":
    """What a model computes.

    Raises:
        ModelUnpackableError: nobody can say that of models of its kind.
    """
    kind = str(model.task.get("task"))
    if not portable(model):
        raise ModelUnpackableError(kind=kind)
    made: Computed = import_module(PREDICTING[kind]).pipeline(model)
    return made


def packable(model: Model) -> "Computed | None":
    """The same; None of a model of another kind."""
    return pipeline_of(model) if portable(model) else None
