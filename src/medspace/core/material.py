"""Material: what an admission opens beside the data. A table, FHIR resources, images, a model.

Only a `Source` opens material, for an admission only, and it applies the admission's row scope itself: what is
outside the scope never reaches an engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from medspace.core.dictionary import Dictionary
from medspace.core.text import Text
from medspace.core.usage import Admission, RowScope


class Form(StrEnum):
    """What kind of thing an asset is. An engine states which it takes, a source which it gives."""

    TABLE = "table"
    RESOURCES = "resources"
    IMAGES = "images"
    MODEL = "model"


class Columns(Protocol):
    """Named columns of as many values each."""

    def numbers(self, column: str) -> Iterable[float]:
        """A numeric column; NaN where the value is missing."""
        ...

    def codes(self, column: str) -> Sequence[str | None]:
        """A coded column; None where the value is missing."""
        ...


class Material(Columns, Protocol):
    """What every opened asset says about itself."""

    @property
    def form(self) -> Form:
        """Which of the forms it has."""
        ...

    @property
    def count(self) -> int:
        """How many rows, resources or images lie within the admission's scope."""
        ...

    @property
    def scope(self) -> tuple[RowScope, ...]:
        """The scope that it was restricted to; unless it is that of the admission, nothing is computed on it."""
        ...

    @property
    def dictionary(self) -> Dictionary:
        """What its columns mean (of images: those of their labels), and which outcomes the holder declares."""
        ...

    def persons(self) -> Iterable[int]:
        """The person of each one: equal numbers for the same person, meaningless otherwise.

        The row's own number where the dictionary names no person column.
        """
        ...

    def marks(self, key: bytes) -> tuple[Iterable[int], Iterable[int]]:
        """For each row two keyed digests of 64 bits: of the person, and of the whole content of the row.

        A person's is the same in every version of the table, wherever the row stands. Where the dictionary names no
        person column, the row's whole content (and how many equal rows came before it) stands for the person.
        """
        ...


class Rows(Material, Protocol):
    """A table (`Form.TABLE`), column by column."""


class Images(Material, Protocol):
    """Images with a table of labels (`Form.IMAGES`): row k of the table is about image k."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of each image."""
        ...

    def pixels(self, index: int) -> bytes:
        """Image `index`, from 0: its bytes row by row, channels last, 8 bits each."""
        ...


class Source(Protocol):
    """Opens the material of an asset, for an admission only."""

    @property
    def form(self) -> Form:
        """What it opens."""
        ...

    def open(self, admission: Admission) -> Material:
        """The material of the admitted asset, restricted to the admission's row scope. Blocking.

        Raises:
            RefusedError: it may not, or can no longer, be opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """What a catalogue shows of a dictionary; for its holder, what it leaves out: columns and reasons, no values."""

    dictionary: Dictionary
    unpublished: tuple[Text, ...] = ()


class Checked(Protocol):
    """The content of an asset, checked against its dictionary: what its holder may know of it, and its source.

    An adapter makes it from an address in the configuration. It gives counts and digests; the rows behind them are
    opened through `source` only, for an admission.
    """

    @property
    def source(self) -> Source:
        """Opens it."""
        ...

    @property
    def dictionary(self) -> Dictionary:
        """As the holder wrote it."""
        ...

    @property
    def count(self) -> int:
        """How many rows, resources or images."""
        ...

    @property
    def persons(self) -> int:
        """Of how many persons."""
        ...

    @property
    def digest(self) -> str:
        """The same for the same content, whatever form it is kept in; `sha256:` and hex digits."""
        ...

    @property
    def warnings(self) -> Sequence[Text]:
        """What the holder should know about where it is stored."""
        ...

    def published(self, least: int) -> Published:
        """Its dictionary without what fewer than `least` persons have. Blocking."""
        ...

    def small_cells(self, least: int) -> Mapping[tuple[str, str], int]:
        """By pairs of columns, how many pairs of codes some persons have, but fewer than `least`. Blocking."""
        ...

    def missing(self) -> Mapping[str, int]:
        """By column, but for that of the persons, of how many persons no value is known. Blocking."""
        ...
