"""A model as one file: its numbers as safetensors (`core.tensors`), and in the head of the file what they mean.

The card in it states the digest of what the model computes, and is signed: who changes a number has to sign anew.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.limits import MIB
from medspace.core.tensors import NUMPY, Tensor, blocks, head, read_head, read_metadata
from medspace.learning.glm.design import Matrix, Vector
from medspace.learning.using import image_pipeline, pipeline
from medspace.learning.using.errors import PackedModelError
from medspace.learning.using.image_pipeline import ImagePipeline, Pixels
from medspace.learning.using.pipeline import Pipeline

Computed = Pipeline | ImagePipeline
Values = Matrix | Pixels  # what one of them takes: value columns, or images
FORMAT = "medspace-model+1"
DTYPE = "F64"
LARGEST_HEAD, LARGEST_FILE = 16 * MIB, 256 * MIB


class _Card(msgspec.Struct, frozen=True):
    facts: dict[str, Any]
    signed: dict[str, str]
    said: dict[str, Any]


class Adapted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a model was adapted to the rows of one place, and how; `parameters` is the digest of what it is now."""

    how: str
    parameters: str


class _PackedText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pipeline: dict[str, Any]
    card: dict[str, Any]
    members: str
    adapted: Adapted | None = None


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A model outside of the space: what it computes, its card, and the members list that shows who signed it.

    One that was `adapted` is no longer what its card describes: the card is that of the model that it began with.
    """

    pipeline: Computed
    card: JsonObject
    members: str
    adapted: Adapted | None = None


def packed(made: PackedModel) -> bytes:
    """The bytes of the file.

    Raises:
        TensorError: it is too large.
    """
    numbers = {
        name: np.ascontiguousarray(values, dtype=NUMPY[DTYPE]) for name, values in made.pipeline.numbers().items()
    }
    said = msgspec.to_builtins(_PackedText(made.pipeline.text(), made.card, made.members, made.adapted))
    metadata = {"format": FORMAT, "model": json.dumps(said, ensure_ascii=False)}
    shapes = {name: (DTYPE, values.shape) for name, values in numbers.items()}
    return head(shapes, metadata, LARGEST_HEAD) + b"".join(values.tobytes() for values in numbers.values())


def unpacked(content: bytes) -> PackedModel:
    """The model in a file; its card is about these numbers, but who signed it is not looked at here.

    Raises:
        PackedModelError: there is none, or the card is about another one.
    """
    try:
        source = BytesIO(content)
        metadata, tensors = (
            read_metadata(source, LARGEST_HEAD),
            read_head(BytesIO(content), len(content), LARGEST_HEAD),
        )
        said = msgspec.json.decode(metadata.get("model", ""), type=_PackedText)
        if metadata.get("format") != FORMAT or any(one.dtype != DTYPE for one in tensors.values()):
            raise PackedModelError
        numbers = {name: _array(source, one) for name, one in tensors.items()}
        read = image_pipeline.read if "images" in said.pipeline else pipeline.read
        made = read(said.pipeline, numbers)
        stated = msgspec.convert(said.card, _Card).facts.get("parameters")
    except (InvalidInputError, ValueError, TypeError, RecursionError):
        raise PackedModelError from None
    if (stated if said.adapted is None else said.adapted.parameters) != made.digest():
        raise PackedModelError
    return PackedModel(made, said.card, said.members, said.adapted)


def _array(source: BytesIO, tensor: Tensor) -> "Vector | Matrix":
    data = b"".join(blocks(source, tensor, LARGEST_FILE))
    return np.frombuffer(data, dtype=NUMPY[DTYPE]).reshape(tensor.shape)


def properties(made: PackedModel) -> Mapping[str, str]:
    """What an ONNX file says of itself beside its columns."""
    deciding = made.pipeline.deciding
    thresholds = {} if deciding is None else {"medspace_thresholds": json.dumps(msgspec.to_builtins(deciding))}
    card = json.dumps(made.card, ensure_ascii=False)
    return {"medspace_card": card, "medspace_digest": made.pipeline.digest(), **thresholds}
