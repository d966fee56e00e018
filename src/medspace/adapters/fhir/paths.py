"""FHIRPath expressions compiled to closures over parsed JSON.

A compiled expression takes the collection that it is evaluated on (a list) and the `PathScope`, and returns a list.
What is known when it is compiled (constants, names, the types of choices) costs nothing when it is evaluated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias, TypeGuard, cast

from medspace.adapters.fhir.choices import CHOICES, named, type_in
from medspace.adapters.fhir.errors import PathError
from medspace.adapters.fhir.grammar import (
    Binary,
    ChildElement,
    Constant,
    FunctionCall,
    Index,
    Literal,
    Scalar,
    Sign,
    This,
    Tree,
    parsed,
)
from medspace.adapters.fhir.references import referred
from medspace.adapters.fhir.values import Bare, computed, edge, is_number, is_of, order, same
from medspace.core.text import msgid

Items: TypeAlias = list[Any]
MOST_STEPS = 1_000_000  # criteria that are tried on one resource
ROW_INDEX = "rowIndex"
FIRST = ""  # among the steps of a path: first(), which no element is called
# The elements of R4 whose type is `date`; others that hold a date hold a `dateTime`.
DATE_ELEMENTS = frozenset(("birthDate", "approvalDate", "lastReviewDate", "expirationDate", "assertedDate"))
# The types of FHIRPath itself.
SYSTEM_TYPES = {"String": "string", "Boolean": "boolean", "Integer": "integer"}
SINGLE = msgid("it meets several values where there may be one; first() takes the first")
COUNT = msgid("{function}() does not take {count} arguments")


class PathScope:
    """What an expression may know beside its collection: the resource, the row of `forEach`, how much it may do."""

    __slots__ = ("left", "resource", "row")

    def __init__(self, resource: Any, row: int = 0, left: int = MOST_STEPS) -> None:  # noqa: ANN401 - JSON
        self.resource, self.row, self.left = resource, row, left

    def spend(self, steps: int) -> None:
        """Count so many steps.

        Raises:
            PathError: it is too much for one resource.
        """
        self.left -= steps
        if self.left < 0:
            raise PathError(msgid("it takes more than {most} steps on one resource"), {"most": MOST_STEPS})


Evaluate: TypeAlias = Callable[[Items, PathScope], Items]
Function: TypeAlias = Callable[["Compiler", FunctionCall, Evaluate], Evaluate]


def compiled(expression: str, constants: Mapping[str, Scalar] | None = None, kind: str = "") -> Evaluate:
    """An expression as a closure; `kind` is the FHIR type of what it gives, where the view says it.

    Raises:
        PathError: it is none, uses what is not supported, or a constant that there is not. The closure raises it too,
            where an operator or a function meets values that it does not take.
    """
    return Compiler(constants or {}, kind).compile(parsed(expression))


def truth(items: Items) -> bool | None:
    """What a collection says as a condition: one item that is no boolean is true (FHIRPath 2.0.0, section 4.5).

    Raises:
        PathError: there are several.
    """
    if not items:
        return None
    if len(items) > 1:
        raise PathError(SINGLE)
    return None if type(items[0]) is Bare else items[0] is not False


def _focus(items: Items, _: PathScope) -> Items:
    return items


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles trees; `kind` is the type that the whole expression is said to give."""

    constants: Mapping[str, Scalar]
    kind: str = ""

    def compile(self, tree: Tree) -> Evaluate:
        """The closure of a tree.

        Raises:
            PathError: as `compiled`.
        """
        match tree:
            case Literal(value):
                made = _always(value)
            case This():
                made = _focus
            case Constant(name):
                made = self._constant(name)
            case ChildElement():
                made = self._walk(tree) if _is_step(tree) else _capital(tree.name)
            case Index(of, at):
                made = _index(self.compile(of), self.compile(at))
            case Sign(minus, of):
                made = _signed(self.compile(of), minus=minus)
            case Binary(operator, left, right):
                made = _binary(operator, self.compile(left), self.compile(right))
            case FunctionCall():
                made = self._call(tree)
        return made

    def _walk(self, tree: Tree) -> Evaluate:
        """All steps to plain elements and `first()` that stand in a row, as one closure."""
        steps, below = list[str](), cast("Tree | None", tree)
        while below is not None and _is_step(below):
            steps.insert(0, below.name if isinstance(below, ChildElement) else FIRST)
            below = below.of
        return _walked(_focus if below is None else self.compile(below), steps)

    def _constant(self, name: str) -> Evaluate:
        if name in self.constants:
            return _always(self.constants[name])
        if name in ("resource", "rootResource", "context"):
            return lambda _, scope: [scope.resource]
        if name == ROW_INDEX:
            return lambda _, scope: [scope.row]
        raise PathError(msgid("there is no constant %{name}"), {"name": name})

    def _call(self, call: FunctionCall) -> Evaluate:
        known = FUNCTIONS.get(call.name)
        if known is None:
            raise PathError(msgid("the function {function}() is not supported"), {"function": call.name})
        counts, made = known
        if len(call.arguments) not in counts:
            raise PathError(COUNT, {"function": call.name, "count": len(call.arguments)})
        return made(self, call, _focus if call.of is None else self.compile(call.of))


# --- paths ----------------------------------------------------------------------------------------------------------
def _always(value: Scalar) -> Evaluate:
    found = [value]
    return lambda _items, _scope: found


def _elements(items: Items, name: str) -> Items:
    """The elements of that name of each item, as one collection."""
    if len(items) == 1 and type(items[0]) is dict:  # what most steps of most paths meet
        value: Any = items[0].get(name)
        if value is None:
            return _with_bare([None], items[0]["_" + name]) if "_" + name in items[0] else []
        if type(value) is not list:
            return [value]
    found = list[Any]()
    for item in items:
        if isinstance(item, dict):
            value = item.get(name)
            if type(value) is list:
                beside = item.get("_" + name)
                found += value if beside is None and None not in value else _with_bare(value, beside)
            elif value is not None:
                found.append(value)
            elif "_" + name in item:
                found += _with_bare([None], item["_" + name])
    return found


def _with_bare(values: Items, beside: Any) -> Items:  # noqa: ANN401 - JSON
    """The values of a primitive, those that have only an id or extensions as these."""
    others = beside if type(beside) is list else [beside]
    pairs = zip_longest(values, others)
    found = [Bare(other) if value is None and type(other) is dict else value for value, other in pairs]
    return [each for each in found if each is not None]


def _choice(items: Items, name: str) -> Items:
    """The same of an element that JSON may name with its type."""
    if len(items) == 1 and type(items[0]) is dict and name in items[0]:
        return _elements(items, name)
    found = list[Any]()
    for item in items:
        if isinstance(item, dict):
            names = [name] if name in item else [key for key in item if key.startswith(name) and type_in(key, name)]
            for key in names:
                found += _elements([item], key)
    return found


def _is_step(tree: Tree) -> TypeGuard[ChildElement | FunctionCall]:
    """Whether a tree is a step to an element, or `first()`; what starts with a capital may be a type."""
    if isinstance(tree, FunctionCall):
        return tree.name == "first" and not tree.arguments
    return isinstance(tree, ChildElement) and (tree.of is not None or not tree.name[:1].isupper())


def _walked(start: Evaluate, names: Sequence[str]) -> Evaluate:
    """The steps of a path. As long as it leads from one item to one item, no collection is made."""
    steps = tuple((place, name, "_" + name, name in CHOICES) for place, name in enumerate(names))

    def walked(items: Items, scope: PathScope) -> Items:
        found = start(items, scope)
        if len(found) != 1:
            return _steps(found, names)
        item = found[0]
        for place, name, hidden, choice in steps:
            if name == FIRST:
                continue
            if type(item) is not dict:
                return _steps([item], names[place:])
            value = item.get(name)
            if value is None:
                return _steps([item], names[place:]) if choice or hidden in item else []
            if type(value) is list:
                if len(value) != 1 or hidden in item or value[0] is None:
                    return _steps([item], names[place:])
                value = value[0]
            item = value
        return [item]

    return walked


def _steps(items: Items, names: Sequence[str]) -> Items:
    for name in names:
        take = _choice if name in CHOICES else _elements
        items = items[:1] if name == FIRST else take(items, name)
    return items


def _capital(name: str) -> Evaluate:
    """What starts an expression with a capital: the resource of that type, else the elements of that name."""

    def typed(items: Items, _: PathScope) -> Items:
        here = [item for item in items if type(item) is dict and _is_type(item, name)]
        return here or _elements(items, name)

    return typed


def _is_type(item: Mapping[str, Any], name: str) -> bool:
    return item.get("resourceType") == name or (name in ("Resource", "DomainResource") and "resourceType" in item)


def _index(of: Evaluate, at: Evaluate) -> Evaluate:
    def indexed(items: Items, scope: PathScope) -> Items:
        place = _one(at(items, scope))
        if place is None:
            return []
        if type(place) is not int:
            raise PathError(msgid("a place in [] is not a whole number"))
        return of(items, scope)[place : place + 1] if place >= 0 else []

    return indexed


# --- operators ------------------------------------------------------------------------------------------------------
def _one(items: Items) -> Any:  # noqa: ANN401 - JSON
    if len(items) > 1:
        raise PathError(SINGLE)
    return items[0] if items and type(items[0]) is not Bare else None


def _signed(of: Evaluate, *, minus: bool) -> Evaluate:
    def signed(items: Items, scope: PathScope) -> Items:
        value = _one(of(items, scope))
        if value is None:
            return []
        if not is_number(value):
            raise PathError(msgid("a sign stands before what is not a number"))
        return [value.copy_negate() if minus and not isinstance(value, int) else -value if minus else value]

    return signed


def _binary(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if operator in ("and", "or"):
        return _logical(left, right, decisive=operator == "or")
    if operator in ("=", "!="):
        return _equal(left, right, wanted=operator == "=")
    if operator in ORDERS:
        return _ordered(ORDERS[operator], left, right)

    def calculated(items: Items, scope: PathScope) -> Items:
        one, other = _one(left(items, scope)), _one(right(items, scope))
        made = None if one is None or other is None else computed(operator, one, other)
        return [] if made is None else [made]

    return calculated


def _logical(left: Evaluate, right: Evaluate, *, decisive: bool) -> Evaluate:
    """`or` is decided by one that is true, `and` by one that is false; unknown otherwise, unless both are known."""

    def decided(items: Items, scope: PathScope) -> Items:
        one = truth(left(items, scope))
        if one is decisive:
            return [decisive]
        other = truth(right(items, scope))
        if other is decisive:
            return [decisive]
        return [] if one is None or other is None else [not decisive]

    return decided


def _equal(left: Evaluate, right: Evaluate, *, wanted: bool) -> Evaluate:
    def equal(items: Items, scope: PathScope) -> Items:
        one, other = left(items, scope), right(items, scope)
        if not one or not other:
            return []
        if len(one) != len(other):
            return [not wanted]
        alike = list(map(same, one, other))
        if False in alike:
            return [not wanted]
        return [] if None in alike else [wanted]

    return equal


ORDERS: Mapping[str, Callable[[int], bool]] = {
    "<": lambda found: found < 0,
    ">": lambda found: found > 0,
    "<=": lambda found: found <= 0,
    ">=": lambda found: found >= 0,
}


def _ordered(holds: Callable[[int], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    def ordered(items: Items, scope: PathScope) -> Items:
        one, other = _one(left(items, scope)), _one(right(items, scope))
        found = None if one is None or other is None else order(one, other)
        return [] if found is None else [holds(found)]

    return ordered


# --- functions ------------------------------------------------------------------------------------------------------
def _where(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    criteria = compiler.compile(call.arguments[0])

    def kept(items: Items, scope: PathScope) -> Items:
        found = of(items, scope)
        scope.spend(len(found))
        return [item for item in found if _holds(criteria([item], scope))]

    return kept


def _holds(items: Items) -> bool:
    if items and not isinstance(items[0], bool):
        raise PathError(msgid("the criteria of where() or exists() give something else than true or false"))
    return truth(items) is True


def _exists(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    found = _where(compiler, call, of) if call.arguments else of
    return lambda items, scope: [bool(found(items, scope))]


def _empty(_: Compiler, __: FunctionCall, of: Evaluate) -> Evaluate:
    return lambda items, scope: [not of(items, scope)]


def _first(_: Compiler, __: FunctionCall, of: Evaluate) -> Evaluate:
    return _walked(of, [FIRST])


def _not(_: Compiler, __: FunctionCall, of: Evaluate) -> Evaluate:
    def negated(items: Items, scope: PathScope) -> Items:
        found = truth(of(items, scope))
        return [] if found is None else [not found]

    return negated


def _of_type(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    kind = _type_name(call)
    if isinstance(call.of, ChildElement) and call.of.name in CHOICES:
        # The type is in the name of the element: no type needs to be known to find it.
        before, wanted = call.of.of, named(call.of.name, kind)
        plain = call.of.name
        start = _focus if before is None else compiler.compile(before)
        return lambda items, scope: _typed(start(items, scope), wanted, plain, kind)
    return lambda items, scope: [item for item in of(items, scope) if is_of(item, kind)]


def _typed(items: Items, wanted: str, plain: str, kind: str) -> Items:
    found = _elements(items, wanted)
    if found or not any(isinstance(item, dict) and plain in item for item in items):
        return found
    return [item for item in _elements(items, plain) if is_of(item, kind)]


def _type_name(call: FunctionCall) -> str:
    """The name of the type in brackets, with `FHIR.` or `System.` or without."""
    argument = call.arguments[0]
    prefixed = isinstance(argument, ChildElement) and isinstance(argument.of, ChildElement) and argument.of.of is None
    if isinstance(argument, ChildElement) and (argument.of is None or prefixed):
        return SYSTEM_TYPES.get(argument.name, argument.name)
    raise PathError(msgid("{function}() takes the name of a type"), {"function": call.name})


def _extension(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    url = compiler.compile(call.arguments[0])
    beside = _beside(compiler, call.of)

    def extensions(items: Items, scope: PathScope) -> Items:
        wanted = _one(url(items, scope))
        plain = [one for one in of(items, scope) if beside is None or type(one) is not Bare]
        holders = [*plain, *(beside(items, scope) if beside else ())]
        found = _elements(holders, "extension")
        return [one for one in found if type(one) is dict and one.get("url") == wanted]

    return extensions


def _beside(compiler: Compiler, of: Tree | None) -> Evaluate | None:
    """Where JSON keeps the extensions of a primitive element: beside it, under its name with an underscore."""
    if not isinstance(of, ChildElement):
        return None
    start = _focus if of.of is None else compiler.compile(of.of)
    name = f"_{of.name}"  # an element of its own in JSON
    return lambda items, scope: _elements(start(items, scope), name)


def _join(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    separator = compiler.compile(call.arguments[0]) if call.arguments else _always("")

    def joined(items: Items, scope: PathScope) -> Items:
        found, between = [one for one in of(items, scope) if type(one) is not Bare], _one(separator(items, scope))
        if not all(isinstance(each, str) for each in found) or not isinstance(between, str | None):
            raise PathError(msgid("join() meets what is not text"))
        return [(between or "").join(found)] if found else []

    return joined


def _edge(_: Compiler, __: FunctionCall, of: Evaluate, kind: str, *, low: bool) -> Evaluate:
    def edged(items: Items, scope: PathScope) -> Items:
        value = _one(of(items, scope))
        made = None if value is None else edge(value, kind, low=low)
        return [] if made is None else [made]

    return edged


def _low(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    return _edge(compiler, call, of, _kind(compiler, call.of), low=True)


def _high(compiler: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    return _edge(compiler, call, of, _kind(compiler, call.of), low=False)


def _kind(compiler: Compiler, of: Tree | None) -> str:
    """The type of what a boundary is asked of: as ofType() says, or the name of the element, or else the view."""
    if isinstance(of, FunctionCall) and of.name == "ofType":
        return _type_name(of)
    if isinstance(of, FunctionCall) and of.of is not None and of.name in ("first", "where"):
        return _kind(compiler, of.of)
    if isinstance(of, ChildElement) and of.name in DATE_ELEMENTS:
        return "date"
    return compiler.kind


def _resource_key(_: Compiler, __: FunctionCall, of: Evaluate) -> Evaluate:
    def keys(items: Items, scope: PathScope) -> Items:
        found = of(items, scope)
        return _elements([item for item in found if type(item) is dict and "resourceType" in item], "id")

    return keys


def _reference_key(_: Compiler, call: FunctionCall, of: Evaluate) -> Evaluate:
    wanted = _type_name(call) if call.arguments else ""

    def keys(items: Items, scope: PathScope) -> Items:
        found = list[Any]()
        for text in _elements(of(items, scope), "reference"):
            one = referred(text) if isinstance(text, str) else None
            if one is not None and (not wanted or one.type in (wanted, "")):
                found.append(one.id)
        return found

    return keys


FUNCTIONS: Mapping[str, tuple[Sequence[int], Function]] = {
    "where": ((1,), _where),
    "exists": ((0, 1), _exists),
    "empty": ((0,), _empty),
    "first": ((0,), _first),
    "not": ((0,), _not),
    "ofType": ((1,), _of_type),
    "extension": ((1,), _extension),
    "join": ((0, 1), _join),
    "lowBoundary": ((0,), _low),
    "highBoundary": ((0,), _high),
    "getResourceKey": ((0,), _resource_key),
    "getReferenceKey": ((0, 1), _reference_key),
}
