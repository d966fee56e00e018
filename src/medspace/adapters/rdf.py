"""Turtle as the JSON-LD that policies are read from, with rdflib."""

import logging
from typing import TYPE_CHECKING

from medspace.adapters.extras import require
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.policy.errors import PolicyCycleError, PolicyTooLargeError

if TYPE_CHECKING:
    from rdflib import Graph
    from rdflib.term import Node

LARGEST = 1_000_000  # characters of one document
DEEPEST = 64  # levels of that tree
MOST = 20_000  # nodes of the tree that a graph becomes
ODRL = "http://www.w3.org/ns/odrl/2/"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_FIRST = "http://www.w3.org/1999/02/22-rdf-syntax-ns#first"
_NIL = "http://www.w3.org/1999/02/22-rdf-syntax-ns#nil"
# What its parser raises: BadSyntax, which is a SyntaxError, and whatever half a statement leads it into.
_UNREADABLE = (
    *(SyntaxError, ValueError, ArithmeticError, LookupError),
    *(TypeError, AttributeError, AssertionError, RecursionError),
)
_BASE = "http://document.invalid/"  # what relative identifiers are read against; nothing is ever fetched
# What names another thing without being made of it: there its identifier is enough.
_NAMED = frozenset(
    {
        *("partOf", "hasPolicy", "inheritFrom", "profile", "leftOperand", "operator", "conflict"),
        *("includedIn", "implies", "rightOperand"),
    }
)


class TurtleUnreadableError(InvalidInputError):
    """A document is not Turtle."""

    code = "policy.turtle"
    sentence = msgid("The document cannot be read as Turtle.")
    next_step = msgid("Correct it, or give it as JSON-LD in a file whose name ends with .json or .jsonld.")


def read_turtle(text: str) -> JsonObject:
    """The nodes of a Turtle document as one JSON-LD `@graph`, with ODRL's terms by their plain names.

    Raises:
        MissingExtraError: rdflib is not installed.
        TurtleUnreadableError: it is not Turtle.
        PolicyTooLargeError: more than 1,000,000 characters, or 20,000 nodes once it is a tree.
        PolicyCycleError: a rule or constraint is a part of itself.
    """
    rdflib = require("rdflib", extra="rdf")
    if len(text) > LARGEST:
        raise PolicyTooLargeError(most=LARGEST, what=Text(msgid("characters")))
    logging.getLogger("rdflib").setLevel(logging.CRITICAL)  # its warnings quote the document
    graph = rdflib.Graph(bind_namespaces="none")
    try:
        graph.parse(data=text, format="turtle", publicID=_BASE)
    except _UNREADABLE as error:
        raise TurtleUnreadableError from error
    return _Tree(graph, rdflib).document()


class _Tree:
    """A graph as a tree: each named node at the top, and again wherever another is made of it."""

    def __init__(self, graph: "Graph", rdflib: Json) -> None:
        self.graph, self.rdflib = graph, rdflib
        self.seen = 0

    def document(self) -> JsonObject:
        subjects = sorted(set(self.graph.subjects()), key=str)
        held = {one for one in self.graph.objects() if isinstance(one, self.rdflib.BNode)}
        roots = [one for one in subjects if one not in held]
        if subjects and not roots:
            raise PolicyCycleError(name=str(subjects[0]))
        return {"@graph": [self.node(one, ()) for one in roots]}

    def node(self, subject: "Node", path: tuple["Node", ...]) -> JsonObject:
        self.count()
        if subject in path:
            raise PolicyCycleError(name=str(subject))
        if len(path) > DEEPEST:
            raise PolicyTooLargeError(most=DEEPEST, what=Text(msgid("levels")))
        found: JsonObject = {} if isinstance(subject, self.rdflib.BNode) else {"@id": str(subject)}
        for predicate, value in sorted(self.graph.predicate_objects(subject), key=str):
            name = _plain(str(predicate))
            if name == "uid":
                found["@id"] = str(value)
            elif name == "@type":
                found.setdefault(name, []).append(str(value))
            else:
                found.setdefault(name, []).append(self.value(value, name, (*path, subject)))
        return found

    def value(self, value: "Node", name: str, path: tuple["Node", ...]) -> Json:
        self.count()
        if isinstance(value, self.rdflib.Literal):
            typed = {"@type": str(value.datatype)} if value.datatype is not None else {}
            return {"@value": str(value), **typed}
        if str(value) == _NIL or (value, self.rdflib.URIRef(_FIRST), None) in self.graph:
            return self.listed(value, name, path)
        described = (value, None, None) in self.graph
        if isinstance(value, self.rdflib.URIRef) and (name in _NAMED or not described):
            return {"@id": str(value)}
        return self.node(value, path)

    def listed(self, value: "Node", name: str, path: tuple["Node", ...]) -> JsonObject:
        try:
            found = [self.value(one, name, (*path, value)) for one in self.graph.items(value)]
        except ValueError as error:  # rdflib found the list in itself
            raise PolicyCycleError(name=name) from error
        return {"@list": found}

    def count(self) -> None:
        self.seen += 1
        if self.seen > MOST:
            raise PolicyTooLargeError(most=MOST, what=Text(msgid("nodes")))


def _plain(predicate: str) -> str:
    if predicate == _TYPE:
        return "@type"
    return predicate.removeprefix(ODRL)
