"""ViewDefinitions (SQL on FHIR 2): the rows of a resource.

A view is checked and compiled once; `CompiledView.rows` is a pure function of a resource. Everything that a view may
multiply is bounded for each resource: rows, and the criteria that are tried.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from medspace.adapters.fhir.errors import PathError, ViewError
from medspace.adapters.fhir.grammar import Scalar, elements, parsed
from medspace.adapters.fhir.moments import moment
from medspace.adapters.fhir.paths import Evaluate, PathScope, compiled
from medspace.adapters.fhir.values import Bare
from medspace.core.text import Fact, Text, msgid

MOST_ROWS = 10_000  # of one resource
MOST_COLUMNS = 500
DEEPEST = 20  # selects within selects
LONGEST_NAME = 255
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
FOR = ("forEach", "forEachOrNull", "repeat")
_SELECT = frozenset(("column", "select", "unionAll", *FOR, "id", "extension", "modifierExtension"))
_COLUMN = frozenset(("name", "path", "type", "description", "collection", "tag", "id", "extension"))
_MOMENTS = ("valueDate", "valueDateTime", "valueInstant", "valueTime")
_NUMBERS = ("valueInteger", "valueInteger64", "valuePositiveInt", "valueUnsignedInt", "valueDecimal")
Row: TypeAlias = tuple[Any, ...]
Cell: TypeAlias = Callable[[list[Any], PathScope], Any]
Rows: TypeAlias = Callable[[Any, PathScope], list[Row]]


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view; `type` is the FHIR type that the view says, `many` that a cell holds a list."""

    name: str
    path: str
    type: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True)
class CompiledView:
    """A view that can be applied: the type of its resources, its columns in order.

    `elements` are the names of the elements that it reads, wherever they stand: no others need to be there.
    """

    name: str
    resource: str
    columns: tuple[ViewColumn, ...]
    elements: frozenset[str]
    _where: tuple[Evaluate, ...]
    _rows: Rows

    def rows(self, resource: Any) -> list[Row]:  # noqa: ANN401 - JSON
        """The rows of a resource, none where it is of another type or the view's conditions leave it out.

        Raises:
            PathError: an expression meets values that it does not take, or a resource gives too many rows.
        """
        if resource.get("resourceType") != self.resource:
            return []
        scope = PathScope(resource)
        for condition in self._where:
            if not _holds(condition([resource], scope)):
                return []
        return self._rows(resource, scope)


def _holds(items: list[Any]) -> bool:
    if len(items) > 1 or (items and not isinstance(items[0], bool)):
        raise PathError(msgid("a condition of the view gives something else than true or false"))
    return bool(items) and items[0]


def read_view(text: bytes, name: str) -> CompiledView:
    """The view that a JSON file holds; `name` is how errors call it.

    Raises:
        ViewError: it is none that can be used.
    """
    try:
        said = msgspec.json.Decoder(float_hook=Decimal).decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ViewError(name, msgid("it is not JSON")) from None
    return compiled_view(said, name)


def compiled_view(said: Any, name: str = "") -> CompiledView:  # noqa: ANN401 - JSON
    """A view as JSON, checked and compiled.

    Raises:
        ViewError: it is none that can be used.
    """
    name = name or (said.get("name") if isinstance(said, dict) and isinstance(said.get("name"), str) else "") or "-"
    reader = _ViewReader(name)
    if not isinstance(said, dict) or said.get("resourceType", "ViewDefinition") != "ViewDefinition":
        raise reader.error(msgid("it is no ViewDefinition"))
    resource = said.get("resource")
    if not isinstance(resource, str) or not _NAME.fullmatch(resource):
        raise reader.error(msgid("it does not say of which type its resources are"))
    reader = _ViewReader(name, reader.constants_of(said.get("constant", [])))
    conditions = [reader.path(one, "where") for one in reader.objects(said.get("where", []), "where")]
    selects = reader.objects(said.get("select"), "select")
    if not selects:
        raise reader.error(msgid("it selects nothing"))
    columns, rows = reader.product([reader.select(one, 1) for one in selects])
    reader.check_names(columns)
    return CompiledView(name, resource, columns, frozenset(reader.elements), tuple(conditions), rows)


_Part: TypeAlias = tuple[tuple[ViewColumn, ...], Rows]


@dataclass(frozen=True, slots=True)
class _ViewReader:
    """Reads the parts of one view; each is its columns, and what makes its part of the rows."""

    view: str
    constants: Mapping[str, Scalar] | None = None
    elements: set[str] = field(default_factory=set)

    def error(self, reason: str, facts: Mapping[str, Fact | Text] | None = None) -> ViewError:
        return ViewError(self.view, reason, facts)

    def objects(self, said: Any, where: str) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
        """A list of objects."""
        if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
            raise self.error(msgid("`{where}` is not a list of objects"), {"where": where})
        return said

    def constants_of(self, said: Any) -> dict[str, Scalar]:  # noqa: ANN401 - JSON
        """The constants by their names."""
        found = dict[str, Scalar]()
        for one in self.objects(said, "constant"):
            name, values = one.get("name"), [key for key in one if key.startswith("value")]
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in found:
                raise self.error(msgid("a constant has no name, or one that another has"))
            if len(values) != 1:
                raise self.error(msgid("the constant {name} has not exactly one value"), {"name": name})
            found[name] = self._constant(name, values[0], one[values[0]])
        return found

    def _constant(self, name: str, key: str, value: Any) -> Scalar:  # noqa: ANN401 - JSON
        if key in _MOMENTS and isinstance(value, str):
            try:
                return moment(value)
            except PathError as error:
                raise ViewError(self.view, error.reason) from None
        wanted = bool if key == "valueBoolean" else (int, Decimal, float) if key in _NUMBERS else str
        if not isinstance(value, wanted) or (key in _NUMBERS and isinstance(value, bool)):
            raise self.error(msgid("the constant {name} is not of its type"), {"name": name})
        return Decimal(repr(value)) if isinstance(value, float) else value

    def path(self, said: Mapping[str, Any], where: str, key: str = "path", kind: str = "") -> Evaluate:
        """The expression of a part, compiled."""
        expression = said.get(key)
        if not isinstance(expression, str) or not expression.strip():
            raise self.error(msgid("`{where}` has no path"), {"where": where})
        try:
            self.elements.update(elements(parsed(expression)))
            return compiled(expression, self.constants, kind)
        except PathError as error:
            facts: dict[str, Fact | Text] = {"path": expression, "reason": error.reason}
            raise self.error(msgid("the path {path}: {reason}"), facts) from None

    def select(self, said: Mapping[str, Any], depth: int) -> _Part:
        """One `select`: its columns, the selects in it and one of its unions, for each item that it goes over."""
        if depth > DEEPEST:
            raise self.error(msgid("its selects are nested more than {most} deep"), {"most": DEEPEST})
        for key in said.keys() - _SELECT:
            raise self.error(msgid("`select` has no part {key}"), {"key": key})
        loops = [key for key in FOR if key in said]
        if len(loops) > 1:
            raise self.error(msgid("a select may have one of forEach, forEachOrNull and repeat"))
        parts = list[_Part]()
        if "column" in said:
            parts.append(self._columns(self.objects(said["column"], "column")))
        parts += [self.select(one, depth + 1) for one in self.objects(said.get("select", []), "select")]
        if "unionAll" in said:
            parts.append(
                self._union([self.select(one, depth + 1) for one in self.objects(said["unionAll"], "unionAll")])
            )
        if not parts:
            raise self.error(msgid("a select has neither columns nor selects nor a union"))
        columns, rows = self.product(parts)
        return columns, self._looped(loops[0], said, columns, rows) if loops else rows

    def _looped(self, key: str, said: Mapping[str, Any], columns: Sequence[ViewColumn], rows: Rows) -> Rows:
        if key == "repeat":
            paths = said[key]
            if not isinstance(paths, list) or not paths:
                raise self.error(msgid("`{where}` has no path"), {"where": key})
            return _repeated([self.path({"path": each}, key) for each in paths], rows)
        nothing = (None,) * len(columns) if key == "forEachOrNull" else None
        return _for_each(self.path(said, key, key), rows, nothing)

    def _columns(self, said: Sequence[Mapping[str, Any]]) -> _Part:
        columns, cells = list[ViewColumn](), list[Cell]()
        for one in said:
            for key in one.keys() - _COLUMN:
                raise self.error(msgid("`column` has no part {key}"), {"key": key})
            column = self._column(one)
            columns.append(column)
            cells.append(_cell(self.path(one, column.name, kind=column.type), column))
        return tuple(columns), _row(cells)

    def _column(self, said: Mapping[str, Any]) -> ViewColumn:
        name, kind, many = said.get("name"), said.get("type", ""), said.get("collection", False)
        if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise self.error(msgid("a column has a name that no database takes (letters, digits and _)"))
        if not isinstance(kind, str) or not isinstance(many, bool):
            raise self.error(msgid("the column {name} has a wrong type or collection"), {"name": name})
        return ViewColumn(name, str(said.get("path", "")), kind.rpartition("/")[2], many)

    def _union(self, parts: Sequence[_Part]) -> _Part:
        if not parts:
            raise self.error(msgid("a union of nothing"))
        columns = parts[0][0]
        shape = [(column.name, column.many) for column in columns]
        for others, _ in parts[1:]:
            if [(column.name, column.many) for column in others] != shape:
                raise self.error(msgid("the parts of a union have different columns, or in another order"))
        members = [rows for _, rows in parts]
        return columns, lambda item, scope: _bounded([row for rows in members for row in rows(item, scope)])

    def product(self, parts: Sequence[_Part]) -> _Part:
        """Parts side by side: every row of one with every row of the others."""
        columns = tuple(column for own, _ in parts for column in own)
        if len(columns) > MOST_COLUMNS:
            raise self.error(msgid("it has more than {most} columns"), {"most": MOST_COLUMNS})
        if len(parts) == 1:
            return parts[0]
        members = [rows for _, rows in parts]
        return columns, lambda item, scope: _multiplied([rows(item, scope) for rows in members])

    def check_names(self, columns: Sequence[ViewColumn]) -> None:
        """Refuse two columns of one name; databases do not tell upper from lower case."""
        seen = set[str]()
        for column in columns:
            if column.name.lower() in seen:
                raise self.error(msgid("two columns are called {name}"), {"name": column.name})
            seen.add(column.name.lower())


def _row(cells: Sequence[Cell]) -> Rows:
    def rows(item: Any, scope: PathScope) -> list[Row]:  # noqa: ANN401 - JSON
        items = [item]
        return [tuple([cell(items, scope) for cell in cells])]

    return rows


def _cell(path: Evaluate, column: ViewColumn) -> Cell:
    if column.many:
        return lambda items, scope: [each for each in path(items, scope) if type(each) is not Bare]

    def cell(items: list[Any], scope: PathScope) -> Any:  # noqa: ANN401 - JSON
        found = path(items, scope)
        if not found:
            return None
        if len(found) > 1:
            raise PathError(
                msgid("the column {name} has several values; first() takes the first"), {"name": column.name}
            )
        return None if type(found[0]) is Bare else found[0]

    return cell


def _bounded(rows: list[Row]) -> list[Row]:
    if len(rows) > MOST_ROWS:
        raise PathError(msgid("one resource gives more than {most} rows"), {"most": MOST_ROWS})
    return rows


def _multiplied(parts: Sequence[list[Row]]) -> list[Row]:
    made = parts[0]
    for rows in parts[1:]:
        if len(made) * len(rows) > MOST_ROWS:
            raise PathError(msgid("one resource gives more than {most} rows"), {"most": MOST_ROWS})
        made = [(*row, *more) for row in made for more in rows]
    return made


def _for_each(path: Evaluate, rows: Rows, nothing: Row | None) -> Rows:
    def looped(item: Any, scope: PathScope) -> list[Row]:  # noqa: ANN401 - JSON
        items = path([item], scope)
        if not items and nothing is not None:
            return [nothing]
        return _over(items, rows, scope)

    return looped


def _over(items: Sequence[Any], rows: Rows, scope: PathScope) -> list[Row]:
    made, before = list[Row](), scope.row
    for place, each in enumerate(items):
        scope.row = place
        made += rows(each, scope)
        _bounded(made)
    scope.row = before
    return made


def _repeated(paths: Sequence[Evaluate], rows: Rows) -> Rows:
    """The items that the paths lead to from an item, and from those, and so on, each before what is below it."""

    def below(item: Any, scope: PathScope) -> list[Any]:  # noqa: ANN401 - JSON
        found, ahead = list[Any](), [item]
        while ahead:
            one = ahead.pop()
            if one is not item:
                found.append(one)
            more = [each for path in paths for each in path([one], scope)]
            if len(found) + len(more) > MOST_ROWS or any(each is one for each in more):
                raise PathError(msgid("one resource gives more than {most} rows"), {"most": MOST_ROWS})
            ahead += reversed(more)
        return found

    return lambda item, scope: _over(below(item, scope), rows, scope)
