"""The published JSON schemas of the protocol as validators.

The schemas are not part of the repository: they are read from the folder that MEDSPACE_DATA names (else
`../shared/data`). Where they are absent the runner still checks types, pids and states, and `MISSING` says so.
"""

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft201909Validator
from referencing import Registry, Resource

from tests.shared_data import DATA

SCHEMAS = DATA / "dsp"
MISSING = f"the schemas of the Dataspace Protocol are not in {SCHEMAS}: set MEDSPACE_DATA"

# Three upstream schemas write `#definitions/X`, which is no JSON pointer (RFC 6901); Java reads it all the same.
BROKEN_POINTER = re.compile(r"#definitions/")


def available() -> bool:
    """Whether the published schemas can be read here."""
    return (SCHEMAS / "schemas").is_dir()


def examples() -> dict[str, Any]:
    """The published example messages, by the name of their file."""
    return {path.name: json.loads(path.read_bytes()) for path in sorted((SCHEMAS / "examples").glob("*/*.json"))}


@cache
def _validators() -> dict[str, Draft201909Validator]:
    documents = [
        json.loads(BROKEN_POINTER.sub("#/definitions/", path.read_text("utf-8")))
        for path in sorted((SCHEMAS / "schemas").glob("*/*.json"))
    ]
    registry: Registry[Any] = Registry().with_resources(
        [(document["$id"], Resource.from_contents(document)) for document in documents]
    )
    return {
        type_: Draft201909Validator(document, registry=registry)
        for document in documents
        if (type_ := _type_of(document["$id"]))
    }


def _type_of(schema_id: str) -> str:
    """`.../transfer/transfer-start-message-schema.json` checks messages of type `TransferStartMessage`."""
    stem = schema_id.rsplit("/", 1)[1].removesuffix("-schema.json")
    return "".join(word.capitalize() for word in stem.split("-"))


def faults(message: Any) -> list[str]:
    """What the published schema of the message's `@type` has against it; nothing where there is no schema."""
    if not isinstance(message, dict) or not isinstance(message.get("@type"), str):
        return ["no message: a JSON object with a text `@type` was expected"]
    validator = _validators().get(message["@type"]) if available() else None
    if validator is None:
        return []
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(message)]
