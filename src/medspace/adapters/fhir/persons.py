"""Whose a resource is: exactly one patient's, or it stays outside.

Everything in a resource counts: the subject, a second reference, a contained patient, a link to another one. The
quick look at the bytes of a line decides only what it cannot mistake; whatever else is there is parsed and walked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from medspace.adapters.fhir.references import referred

PATIENT = "Patient"
_NAMED = re.compile(rb'"reference"\s*:\s*"Patient/([A-Za-z0-9\-.]{1,64})"')
_URN = re.compile(rb'"reference"\s*:\s*"urn:')


@dataclass(frozen=True, slots=True)
class PatientsNamed:
    """The patients that a resource names: their ids; `unnamed` says that another one is in it without an id."""

    ids: frozenset[str]
    bases: frozenset[str] = field(default=frozenset())
    unnamed: bool = False


def patients_named(line: bytes, kind: str) -> PatientsNamed:
    """The patients that a resource of that type names, from its JSON; a patient names itself only by its own id.

    Raises:
        msgspec.DecodeError: it is not JSON.
    """
    if _plain(line, kind):
        return PatientsNamed(frozenset(one.decode() for one in _NAMED.findall(line)))
    return walked(msgspec.json.decode(line))


def _plain(line: bytes, kind: str) -> bool:
    """Whether every patient that a line names is named as `"reference": "Patient/id"`.

    It is not where there may be escapes that spell a reference otherwise, absolute URLs, versions, URNs, references
    by an identifier (which have a type), patients within the resource.
    """
    escapes = b"\\" in line and (b"\\u" in line or b"\\/" in line)
    others = b"/Patient/" in line or b"/_history/" in line or line.count(b'"Patient"') > (kind == PATIENT)
    return not escapes and not others and (b'"urn:' not in line or _URN.search(line) is None)


def walked(resource: Any) -> PatientsNamed:  # noqa: ANN401 - JSON
    """The same by looking at every reference of a parsed resource."""
    ids, bases, unnamed = set[str](), set[str](), False
    for one in _objects(resource):
        if one.get("resourceType") == PATIENT and one is not resource:
            unnamed = True
        reference = one.get("reference")
        found = referred(reference) if isinstance(reference, str) else None
        if found is not None and (found.type == PATIENT or (not found.type and one.get("type", PATIENT) == PATIENT)):
            ids.add(found.id)
            bases.add(found.base)
        elif reference is None and one.get("type") == PATIENT and "identifier" in one:
            unnamed = True
    return PatientsNamed(frozenset(ids), frozenset(bases - {""}), unnamed)


def _objects(resource: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    ahead = [resource]
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            yield one
            ahead += one.values()
        elif isinstance(one, list):
            ahead += one
