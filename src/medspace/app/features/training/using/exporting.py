"""A model of this connector as a file: safetensors with its card, or an ONNX graph."""

from collections.abc import Callable, Mapping

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.learning.using.image_onnx import image_onnx
from medspace.learning.using.image_pipeline import ImagePipeline
from medspace.learning.using.onnx import onnx
from medspace.learning.using.packing import PackedModel, packed, properties


class FileFormError(InvalidInputError):
    """A model cannot be written in the form that was asked for."""

    code = "model.file_form"
    sentence = msgid("There is no form {form} of a model's file.")
    next_step = msgid("Name a file that ends in .safetensors or .onnx.")


def _onnx(made: PackedModel) -> bytes:
    computed, said = made.pipeline, properties(made)
    return image_onnx(computed, said) if isinstance(computed, ImagePipeline) else onnx(computed, said)


FORMS: Mapping[str, Callable[[PackedModel], bytes]] = {
    "safetensors": packed,
    "onnx": _onnx,
}


def exported(made: PackedModel, form: str) -> bytes:
    """The file of a model in one of `FORMS`.

    Raises:
        FileFormError: there is no such form.
    """
    if form not in FORMS:
        raise FileFormError(form=form)
    return FORMS[form](made)
