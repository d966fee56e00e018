"""Members as JSON, for people and programs."""

from medspace.app.features.members.keys import shown
from medspace.core.canonical import JsonObject
from medspace.trust.jws import encode
from medspace.trust.model import Member


def member(record: Member) -> JsonObject:
    """A member of the space; the key in base64url."""
    return {
        "did": record.did,
        "name": record.name,
        "region": record.region,
        "roles": list(record.roles),
        "operator": record.operator,
        "public_key": encode(record.public_key),
        "mldsa": [shown(key) for key in record.mldsa],
    }
