"""The messages of DCP 1.0 as they stand on the wire: read strictly as far as they are used."""

from typing import Any, Literal, TypeVar

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.services.credentials.errors import CredentialMessageError

CONTEXT = "https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"
_CONTEXTS = "https://w3id.org/dspace-dcp/"
LARGEST_MESSAGE = 1 << 20  # bytes; of a delivery of credentials or a presentation
LARGEST_QUERY = 64 * 1024
MOST_ITEMS, LONGEST_NAME = 32, 512
TYPE_SCOPE, ID_SCOPE = "org.eclipse.dspace.dcp.vc.type", "org.eclipse.dspace.dcp.vc.id"
F = TypeVar("F", bound="Message")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What every message has."""

    context: list[object] = msgspec.field(name="@context")
    type: str


class PresentationQuery(Message, frozen=True, kw_only=True):
    """PresentationQueryMessage (5.4.1)."""

    type: Literal["PresentationQueryMessage"]
    scope: list[str] | None = None
    definition: Any = msgspec.field(name="presentationDefinition", default=msgspec.UNSET)


class Shown(Message, frozen=True, kw_only=True):
    """PresentationResponseMessage (5.4.2)."""

    type: Literal["PresentationResponseMessage"]
    presentation: list[object]


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """One credential of a delivery."""

    payload: str
    credential_type: str
    format: str


class Delivery(Message, frozen=True, kw_only=True, rename="camel"):
    """CredentialMessage (6.5.1)."""

    type: Literal["CredentialMessage"]
    issuer_pid: str
    holder_pid: str
    status: Literal["ISSUED", "REJECTED"]
    credentials: list[Container] = []
    rejection_reason: str = ""


class Offered(msgspec.Struct, frozen=True, rename="camel"):
    """One credential of an offer; at least its id."""

    id: str
    credential_type: str = ""


class OfferMessage(Message, frozen=True, kw_only=True):
    """CredentialOfferMessage (6.6.1)."""

    type: Literal["CredentialOfferMessage"]
    issuer: str
    credentials: list[Offered]


class Reference(msgspec.Struct, frozen=True):
    """One credential of a request."""

    id: str


class Request(Message, frozen=True, kw_only=True, rename="camel"):
    """CredentialRequestMessage (6.4.1)."""

    type: Literal["CredentialRequestMessage"]
    holder_pid: str
    credentials: list[Reference]


class Supported(msgspec.Struct, frozen=True, rename="camel"):
    """One credential of an issuer's metadata."""

    id: str
    credential_type: str = ""
    profile: str = ""


class Metadata(Message, frozen=True, kw_only=True, rename="camel"):
    """IssuerMetadata (6.7.1)."""

    type: Literal["IssuerMetadata"]
    issuer: str
    credentials_supported: list[Supported]


def read(content: bytes | JsonObject, form: type[F]) -> F:
    """A message in its form.

    Raises:
        CredentialMessageError: it is not JSON, not this message, of no context of DCP, or has too many items.
    """
    try:
        found = read_json(content, form) if isinstance(content, bytes) else msgspec.convert(content, form)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise CredentialMessageError(reason=Text(msgid("a field is missing or of the wrong kind"))) from None
    if not any(isinstance(one, str) and one.startswith(_CONTEXTS) for one in found.context):
        raise CredentialMessageError(reason=Text(msgid("its context is not the one of DCP 1.0")))
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if isinstance(value, list) and len(value) > MOST_ITEMS:
            raise CredentialMessageError(reason=Text(msgid("it has too many items")))
        if isinstance(value, str) and name != "rejection_reason" and not 0 < len(value) <= LONGEST_NAME:
            raise CredentialMessageError(reason=Text(msgid("a name in it is empty or too long")))
    return found


def written(kind: str, **members: object) -> JsonObject:
    """A message to send."""
    return {"@context": [CONTEXT], "type": kind, **members}


def type_of(scope: str) -> str:
    """The type of credential that a scope asks to read (5.4.1.2).

    Raises:
        CredentialMessageError: it is of no form that is known here.
    """
    alias, _, rest = scope.partition(":")
    kind, _, _ = rest.rpartition(":") if rest.endswith((":read", ":*", ":all")) else (rest, "", "")
    if alias != TYPE_SCOPE or not kind or len(scope) > LONGEST_NAME:
        raise CredentialMessageError(reason=Text(msgid("the scope {scope} is not known"), {"scope": scope[:100]}))
    return kind


def scope_of(credential_type: str) -> str:
    """The scope that asks to read credentials of a type."""
    return f"{TYPE_SCOPE}:{credential_type}:read"
