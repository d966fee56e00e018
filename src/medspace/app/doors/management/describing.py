"""The description of the management API (OpenAPI), where it says the same of all routes: tokens, problems, answers.

Routes say what they take; that a token opens them, and how each answers what it refuses, is so for all of them.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from medspace.core.canonical import JsonObject

JSON = "application/json"
DONE = "2XX"  # 200, 201 for what was made, 202 for what goes on, 204 for a stream of what is over
PROBLEM = "Problem"
REFUSALS = {
    "400": "The request cannot be read, or asks for what there is not.",
    "401": "Nobody comes in with this token.",
    "403": "It is refused: by scopes, rules or terms.",
    "404": "There is no such thing.",
    "413": "The request is too large.",
    "429": "Too much was asked, or too many wrong tokens came from there.",
    "500": "Something went wrong on this connector: the log says what.",
    "503": "Somebody or something does not answer just now: try again.",
    "507": "The disk or the database is full.",
}
# FastAPI's own words for bodies that cannot be read: here these are problems with the status 400.
_FOREIGN = ("HTTPValidationError", "ValidationError")
_PROBLEM_FORM = {
    "type": "object",
    "required": ["code", "sentence", "next_step"],
    "properties": {
        "code": {"type": "string", "description": "Never changes."},
        "sentence": {"type": "string", "description": "What is wrong, in the language that was asked for."},
        "next_step": {"type": "string", "description": "What to do about it."},
        "exit_code": {"type": "integer", "description": "What the command line ends with."},
    },
}


class DescribedApi(FastAPI):
    """An application whose description says of every route what is true of all."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def completed(schema: dict[str, Any]) -> dict[str, Any]:
    """A description with the answers that all routes have in common."""
    components = schema.setdefault("components", {})
    forms = {name: form for name, form in components.get("schemas", {}).items() if name not in _FOREIGN}
    components["schemas"] = forms | {PROBLEM: _PROBLEM_FORM}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"token": []}]
    for operation in _operations(schema):
        operation["responses"] = {DONE: _done(operation["responses"]["200"]), **_refusals()}
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _done(said: JsonObject) -> JsonObject:
    return {**said, "description": "What was asked for."}


def _refusals() -> JsonObject:
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    return {status: {"description": said, "content": content} for status, said in REFUSALS.items()}
