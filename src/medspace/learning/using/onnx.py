"""A model as an ONNX graph (onnx.ai), written here, so that nothing has to be installed to export one.

The input `values` are the value columns as measured, 64-bit floats, rows x columns, NaN where a value is missing. A
coded feature has a 0/1 column for each level but the first, and one for joined levels, which no row outside has.
The output `scores` has the outputs of the pipeline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medspace.learning.using.pipeline import Head, Pipeline
from medspace.learning.using.protobuf import message

OPSET, IR = 13, 7  # of 2020: every runtime in use reads them
BYTE, FLOAT, _INT64, DOUBLE = 2, 1, 7, 11  # TensorProto.DataType
_INT, _INTS = 2, 7  # AttributeProto.AttributeType
_FORMS, _PLACES = {"<f4": (FLOAT, "<f4")}, (_INT64, "<i8")
ROWS = 1  # the axis of columns


@dataclass(slots=True)
class Graph:
    """A graph while it is drawn: nodes in order, constants."""

    nodes: list[bytes] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    count: int = 0

    def constant(self, values: "NDArray[Any] | Sequence[int]") -> str:
        """The name of a constant: floats of 64 bits (or of 32, if they are that), or places."""
        array = np.asarray(values)
        kind, form = _FORMS.get(array.dtype.str, (DOUBLE, "<f8")) if isinstance(values, np.ndarray) else _PLACES
        name = f"constant{len(self.constants)}"
        content = array.astype(form).tobytes(order="C")
        self.constants.append(message((1, list(array.shape)), (2, kind), (8, name), (9, content)))
        return name

    def node(self, kind: str, *inputs: str, **attributes: "int | list[int]") -> str:
        """The name of what an operator makes of its inputs."""
        self.count += 1
        name = f"{kind.lower()}{self.count}"
        said = [_attribute(one, value) for one, value in attributes.items()]
        self.nodes.append(message((1, inputs), (2, [name]), (3, name), (4, kind), (5, said)))
        return name

    def file(self, given: bytes, last: str, outputs: int, properties: Mapping[str, str]) -> bytes:
        """The bytes of the whole: the value `given` goes in, and what `last` names comes out as `scores`."""
        out = message((1, [last]), (2, ["scores"]), (3, "out"), (4, "Identity"))
        content = message(
            (1, [*self.nodes, out]),
            (2, "medspace"),
            (5, self.constants),
            (11, [given]),
            (12, [value_of("scores", DOUBLE, [outputs])]),
        )
        return message(
            (1, IR),
            (2, "medspace"),
            (7, content),
            (8, [message((1, ""), (2, OPSET))]),
            (14, [message((1, name), (2, value)) for name, value in properties.items()]),
        )


def _attribute(name: str, value: "int | list[int]") -> bytes:
    if isinstance(value, int):
        return message((1, name), (3, value), (20, _INT))
    return message((1, name), (8, value), (20, _INTS))


def onnx(made: Pipeline, properties: Mapping[str, str]) -> bytes:
    """The model file; `properties` are kept in it as texts, beside the names of columns and outputs."""
    graph = Graph()
    last = _scores(graph, made)
    said = {"columns": dumps(made.columns), "outputs": dumps(made.outputs), "target": made.target.words, **properties}
    return graph.file(value_of("values", DOUBLE, [len(made.columns)]), last, len(made.outputs), said)


def value_of(name: str, kind: int, sizes: Sequence[int]) -> bytes:
    """An input or output: any number of rows of this shape."""
    shape = message((1, [message((2, "rows")), *(message((1, size)) for size in sizes)]))
    return message((1, name), (2, message((1, message((1, kind), (2, shape))))))


def _scores(graph: Graph, made: Pipeline) -> str:
    gaps = graph.node("IsNaN", "values")
    known, unknown = _joined(graph, made, gaps)
    if made.drops:
        unknown.append(graph.node("Cast", gaps, to=DOUBLE))
    else:
        filled = graph.node("Where", gaps, graph.constant(made.fill), known)
        starts = graph.node("Gather", gaps, graph.constant(made.starts), axis=ROWS)
        known = graph.node("Concat", filled, graph.node("Cast", starts, to=DOUBLE), axis=ROWS)
    now = graph.node("Gather", known, graph.constant(list(made.kept)), axis=ROWS)
    now = graph.node("Sub", now, graph.constant(made.centre))
    now = graph.node("Div", now, graph.constant(made.scale))
    for place, (matrix, constant) in enumerate(made.layers):
        now = graph.node("MatMul", now, graph.constant(matrix))
        now = graph.node("Add", now, graph.constant(constant))
        if place < len(made.layers) - 1:
            now = graph.node("Tanh" if made.activation == "tanh" else "Relu", now)
    return _hidden(graph, head(graph, made.head, len(made.outputs), now), unknown)


def _joined(graph: Graph, made: Pipeline, gaps: str) -> tuple[str, list[str]]:
    """The values as the fit would count them, and whether nothing is known of a row (floats, one column or more)."""
    zeros = graph.node("Where", gaps, graph.constant(np.zeros(1)), "values")
    how = made.joining
    if how is None:
        return zeros, []
    moved = graph.node("MatMul", zeros, graph.constant(how.matrix))
    moved = graph.node("Add", moved, graph.constant(how.constant))
    if not how.lost_starts:
        return moved, []
    has = graph.node("MatMul", zeros, graph.constant(how.lost))
    has = graph.node("Add", has, graph.constant(how.lost_constant))
    absent = graph.node("Gather", gaps, graph.constant(list(how.lost_starts)), axis=ROWS)
    return moved, [graph.node("Sub", has, graph.node("Cast", absent, to=DOUBLE))]


def _hidden(graph: Graph, scores: str, unknown: list[str]) -> str:
    """Scores, NaN in the rows of which nothing is known."""
    for one in unknown:
        largest = graph.node("ReduceMax", one, axes=[ROWS], keepdims=1)
        lost = graph.node("Greater", largest, graph.constant(np.full(1, 0.5)))
        scores = graph.node("Where", lost, graph.constant(np.full(1, np.nan)), scores)
    return scores


def head(graph: Graph, kind: Head, outputs: int, straight: str) -> str:
    """What a head makes of logits."""
    if kind == "logistic":
        return graph.node("Sigmoid", straight)
    if kind == "exponential":
        return graph.node("Exp", straight)
    if kind == "hazard":
        return graph.node("Concat", straight, graph.node("Exp", straight), axis=ROWS)
    if kind == "classes":
        return graph.node("Softmax", straight, axis=ROWS)
    return _ordinal(graph, outputs, straight) if kind == "ordinal" else straight


def _ordinal(graph: Graph, classes: int, straight: str) -> str:
    """Continuation ratios (`net.heads`): the chance of each class is to reach it, and to go no further."""
    higher = graph.node("Sigmoid", straight)
    lower = graph.node("Sub", graph.constant(np.ones(1)), higher)
    reached, found = "", []
    for place in range(classes - 1):
        on, stays = (graph.node("Gather", each, graph.constant([place]), axis=ROWS) for each in (higher, lower))
        found.append(graph.node("Mul", reached, stays) if reached else stays)
        reached = graph.node("Mul", reached, on) if reached else on
    return graph.node("Concat", *found, reached, axis=ROWS)
