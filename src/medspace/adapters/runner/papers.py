"""What a connector and the process of one step exchange, as files in a folder of that step alone.

    work.json     what is to be done: the admission with its secrets, the step, and how to make engine and source
    lock          held by the process for as long as it lives; the number of the process is in it
    result.json   what came of it, put in place by a rename once it is whole
    stderr        what the process said before it died
    line          a socket: what the two say to each other meanwhile (`adapters.runner.line`)

JSON, never pickle: otherwise anybody who can write to the folder could run code.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from medspace.adapters.blobs.files import FileBlobs
from medspace.adapters.runner.recipes import Recipe
from medspace.core.engine import RunTerms, StepLimits
from medspace.core.errors import MedspaceError
from medspace.core.parts import Part
from medspace.core.text import Text
from medspace.core.usage import Admission, HolderNote, Measure, Output, Step

WORK, LOCK, RESULT, STDERR = "work.json", "lock", "result.json", "stderr"
LARGEST_RESULT = 64 << 20  # bytes
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is told to do."""

    admission: Admission
    step: Step
    limits: StepLimits
    engine: Recipe
    source: Recipe
    clock: Recipe
    memory: bytes | None = field(default=None, repr=False)
    blobs: FileBlobs | None = None
    version: str = ""  # of the rows that it is done on
    seats: tuple[tuple[str, ...], str, RunTerms] | None = (
        None  # of the run, its own, its terms; the keys of its parties stay with the connector
    )


def write_order(folder: Path, order: Order) -> None:
    """Put the work into its folder."""
    file = folder / WORK
    file.touch(PRIVATE)
    file.write_bytes(msgspec.json.encode(order))


def read_order(folder: Path) -> Order:
    """The work of a folder."""
    return msgspec.json.decode((folder / WORK).read_bytes(), type=Order)


def write_result(folder: Path, came: Output | MedspaceError) -> None:
    """Write the result; atomically."""
    said = {"error": error_said(came)} if isinstance(came, MedspaceError) else {"output": _output(came)}
    file = folder / f"{RESULT}.part"
    file.touch(PRIVATE)
    file.write_text(json.dumps(said))  # unlike msgspec, it keeps non-finite numbers, which the gate then refuses
    file.rename(folder / RESULT)


def read_result(folder: Path) -> Output | MedspaceError:
    """What came of it.

    Raises:
        OSError, ValueError, TypeError, KeyError: there is no result, or it is none.
    """
    file = folder / RESULT
    if file.stat().st_size > LARGEST_RESULT:
        raise ValueError("the result is too large")
    said = json.loads(file.read_bytes())
    if "error" in said:
        return error_read(said["error"])
    made = said["output"]
    values, parts = made.pop("values"), msgspec.convert(made.pop("parts"), tuple[Part, ...])
    memory, record = (None if made[name] is None else bytes.fromhex(made[name]) for name in ("memory", "record"))
    worded = msgspec.convert(made["worded"], Step | None)
    notes = msgspec.convert(made["notes"], tuple[HolderNote, ...])
    made["measures"] = msgspec.convert(made["measures"], tuple[Measure, ...])
    made |= {"values": values, "parts": parts, "memory": memory, "record": record, "worded": worded, "notes": notes}
    return Output(**made)


def _output(output: Output) -> Mapping[str, Any]:
    memory, record = (None if kept is None else kept.hex() for kept in (output.memory, output.record))
    parts = [msgspec.to_builtins(part) for part in output.parts]
    return {
        "kind": output.kind,
        "values": dict(output.values),
        "cohort": output.cohort,
        "parts": parts,
        "memory": memory,
        "hold": output.hold,
        "outbox": dict(output.outbox),
        "noted": dict(output.noted),
        "worded": None if output.worded is None else msgspec.to_builtins(output.worded),
        "record": record,
        "learned": output.learned,
        "measures": [msgspec.to_builtins(measure) for measure in output.measures],
        "notes": [msgspec.to_builtins(note) for note in output.notes],
    }


# --- errors of an engine keep their class, and so their code, their sentences and what may be told of them ---------


def error_said(error: MedspaceError) -> Mapping[str, Any]:
    """An error as JSON."""
    kind = type(error)
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "says": {k: _plain(v) for k, v in vars(error).items()}}


def error_read(said: Mapping[str, Any]) -> MedspaceError:
    """The error that was said.

    Raises:
        TypeError: it is of a class that is not known here.
    """
    module, _, name = said["class"].partition(":")
    kind = getattr(sys.modules.get(module), name, None)  # its engine was made here: what it raises is known here
    if not (isinstance(kind, type) and issubclass(kind, MedspaceError)):
        raise TypeError("no error that is known here")
    error = kind.__new__(kind)
    vars(error).update({name: _rich(value) for name, value in said["says"].items()})
    return error


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever an error keeps
    if isinstance(value, Text):
        return {"sentence": value.msgid, "facts": {name: _plain(fact) for name, fact in value.facts.items()}}
    if isinstance(value, Mapping):
        return {"members": {name: _plain(member) for name, member in value.items()}}
    return value if isinstance(value, str | int | float | None) else str(value)


def _rich(value: Any) -> Any:  # noqa: ANN401 - what `_plain` made
    if not isinstance(value, dict):
        return value
    if "sentence" in value:
        return Text(value["sentence"], {name: _rich(fact) for name, fact in value["facts"].items()})
    return {name: _rich(member) for name, member in value["members"].items()}
