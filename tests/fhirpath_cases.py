"""The given FHIRPath expressions, and which of them use only what the ViewDefinition specification names.

The division knows nothing of our parser: it goes by the words of the expression alone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml

from medspace.adapters.fhir.errors import PathError
from medspace.adapters.fhir.paths import PathScope, compiled
from tests.shared_data import public

# SQL on FHIR 2, "Supported FHIRPath functionality": functions, words and marks; literals are texts and numbers.
FUNCTIONS = {
    "where", "exists", "empty", "extension", "join", "ofType", "first", "not",
    "lowBoundary", "highBoundary", "getResourceKey", "getReferenceKey",
}  # fmt: skip
OTHER_WORDS = {"div", "mod", "xor", "implies", "is", "as", "in", "contains"}
UNNAMED = re.compile(r"[|~&@{}%]|\$(?!this)|\b[0-9]+(\.[0-9]+)?L\b")
UNITS = re.compile(r"\b[0-9.]+ +('|[a-z])")
TEXTS = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`")


@dataclass(frozen=True, slots=True)
class PathCase:
    """An expression with what it is evaluated on, and what it gives; an `error` gives nothing."""

    chapter: str
    expression: str
    subject: Any
    result: Any
    error: bool

    @property
    def named(self) -> bool:
        """Whether the ViewDefinition specification names everything that it uses."""
        plain = TEXTS.sub("''", self.expression)
        if UNITS.search(re.sub(r"\b(and|or)\b", "=", plain)) or UNNAMED.search(plain) or "/*" in plain:
            return False
        called = set(re.findall(r"([A-Za-z_]+)\s*\(", plain)) - {"and", "or"}
        words = set(re.findall(r"(?<![.A-Za-z_'])([a-z]+)\b(?!\()", plain))
        return called <= FUNCTIONS and not words & OTHER_WORDS

    def passes(self) -> bool:
        """Whether it gives what it must, or fails where it must."""
        try:
            found = compiled(self.expression)([self.subject], PathScope(self.subject))
        except PathError:
            return self.error
        return not self.error and plain(found) == plain(self.result)


def plain(value: Any) -> Any:
    """A result as JSON tells it, numbers by what they are worth."""
    return json.loads(json.dumps(value, default=lambda one: float(one) if isinstance(one, Decimal) else one.text))


def path_cases() -> list[PathCase]:
    """All of them that are not disabled, on R4 or no model."""
    folder = public("fhirpath/test/cases")
    return [case for file in sorted(folder.glob("*.yaml")) for case in _of_file(file)]


def _of_file(file: Path) -> Iterator[PathCase]:
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    yield from _within(file, said["tests"], said.get("subject"))


def _within(file: Path, said: Any, subject: Any) -> Iterator[PathCase]:
    for one in said if isinstance(said, list) else said.values():
        if not isinstance(one, dict):
            continue
        if "expression" not in one:
            for inner in one.values():
                if isinstance(inner, list):
                    yield from _within(file, inner, subject)
        elif not one.get("disable") and one.get("model", "r4") == "r4":
            yield from _of_one(file, one, subject)


def _of_one(file: Path, one: dict[str, Any], subject: Any) -> Iterator[PathCase]:
    if "inputfile" in one:
        text = (file.parent.parent / "resources" / "r4" / one["inputfile"]).read_bytes()
    else:
        text = json.dumps(subject, default=str).encode()
    read = msgspec.json.Decoder(float_hook=Decimal).decode(text)
    expressions = one["expression"] if isinstance(one["expression"], list) else [one["expression"]]
    for expression in expressions:
        yield PathCase(file.stem, str(expression), read, one.get("result", []), bool(one.get("error")))
