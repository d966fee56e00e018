"""Lineage as a picture: where boxes and lines go. The page draws them, and has a table of the same beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 200, 72  # of a box
ACROSS, DOWN = 36, 20  # between boxes
MARGIN = 4
LONGEST, LONGEST_BELOW = 18, 26  # characters that fit into a box
PREFIXES = ("urn:uuid:", "sha256:")  # tell nothing where boxes have headings


@dataclass(frozen=True, slots=True)
class PictureBox:
    """A box: `kind` names its look, `title` has the whole text that `text` may shorten."""

    kind: str
    x: int
    y: int
    heading: str
    text: str
    below: str
    title: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, and lines between them as the `d` of an SVG path."""

    boxes: Sequence[PictureBox]
    edges: Sequence[str]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class BoxText:
    """What a box says, before it has a place."""

    kind: str
    heading: str
    text: str
    below: str = ""


def draw(rows: Sequence[tuple[BoxText, BoxText]], run: BoxText, model: BoxText) -> Picture:
    """Datasets and their agreements, row by row, lead to the run, and the run to its model."""
    height = max(len(rows), 1) * (HEIGHT + DOWN) - DOWN + 2 * MARGIN
    middle = (height - HEIGHT) // 2
    boxes, edges = [], []
    for number, (dataset, agreement) in enumerate(rows):
        y = MARGIN + number * (HEIGHT + DOWN)
        boxes += [_box(dataset, 0, y), _box(agreement, 1, y)]
        edges += [_edge(0, y, y), _edge(1, y, middle)]
    boxes += [_box(run, 2, middle), _box(model, 3, middle)]
    return Picture(boxes, [*edges, _edge(2, middle, middle)], _x(3) + WIDTH + MARGIN, height)


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text that fits into a box: the end of an identifier tells more than its middle."""
    for prefix in PREFIXES:
        text = text.removeprefix(prefix)
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[1 - half :]}"


def _x(column: int) -> int:
    return MARGIN + column * (WIDTH + ACROSS)


def _box(said: BoxText, column: int, y: int) -> PictureBox:
    title = f"{said.heading}: {said.text}" + (f", {said.below}" if said.below else "")
    return PictureBox(
        said.kind, _x(column), y, said.heading, shortened(said.text), shortened(said.below, LONGEST_BELOW), title
    )


def _edge(column: int, from_y: int, to_y: int) -> str:
    start, end = _x(column) + WIDTH, _x(column + 1)
    bend, one, other = (start + end) // 2, from_y + HEIGHT // 2, to_y + HEIGHT // 2
    return f"M{start} {one}C{bend} {one} {bend} {other} {end} {other}"
