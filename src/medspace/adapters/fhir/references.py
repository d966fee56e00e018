"""What a reference refers to, whichever way it is written (FHIR R4, 2.3.0): one key for one resource."""

import re
from dataclasses import dataclass

# Of a relative or absolute URL, with a version or without: the type and the id (FHIR R4, 2.3.0.1).
_REFERENCE = re.compile(
    r"(?P<base>.*/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]+)?"
)
_URN = re.compile(r"urn:(?:uuid|oid):(?P<id>[A-Za-z0-9\-.]{1,64})")


@dataclass(frozen=True, slots=True)
class Referred:
    """What a reference names: the type (empty where a URN does not tell), the id, and the server's address."""

    type: str
    id: str
    base: str = ""


def referred(reference: str) -> Referred | None:
    """What a reference names; None where it leads into its own resource (`#...`), or to no resource."""
    found = _REFERENCE.fullmatch(reference)
    if found is not None:
        return Referred(found["type"], found["id"], found["base"] or "")
    urn = _URN.fullmatch(reference)
    return None if urn is None else Referred("", urn["id"])
