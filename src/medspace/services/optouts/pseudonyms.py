"""Keyed pseudonyms: what stands for a person between the registry and one hospital, and between no others.

A pseudonym is HMAC-SHA-256 (RFC 2104) of an identifier, under a key that the registry derives for each hospital from
its own secret (HKDF, RFC 5869) and hands to that hospital alone, sealed (`trust.envelope`).

Security model: without the key of a hospital nobody tells its pseudonyms from random texts, or finds in them those of
another hospital. Identifiers are few enough to be tried one by one, so whoever has the key finds out whom a pseudonym
stands for: the hospital, which knows its patients, and the registry, which so learns who is a patient there. An
oblivious exchange (RFC 9497) would keep that from the registry; no vetted library has it.
"""

import hmac
import unicodedata
from base64 import urlsafe_b64encode

from medspace.core.sealing import Sealer
from medspace.core.text import Text, msgid
from medspace.services.optouts.errors import OptOutPersonError

LONGEST = 64  # characters of an identifier
LENGTH = 43  # characters of a pseudonym: 32 bytes in base64url
_HOSPITAL, _REGISTRY = "opt-outs of a hospital", "opt-outs of the registry"
_LEFT_OUT = str.maketrans("", "", " -./")


def hospital_key(sealer: Sealer, hospital: str) -> bytes:
    """At the registry: the 32-byte key of a hospital's pseudonyms."""
    return sealer.key(_HOSPITAL, hospital)


def tag(sealer: Sealer, identifier: str) -> str:
    """At the registry: what stands for a person in its own records."""
    return pseudonym(sealer.key(_REGISTRY), identifier)


def pseudonym(key: bytes, identifier: str) -> str:
    """What stands for a person under a key; the identifier is as `normal` writes it."""
    return urlsafe_b64encode(hmac.digest(key, identifier.encode(), "sha256")).decode().rstrip("=")


def normal(identifier: str) -> str:
    """An identifier in its one spelling: compatible characters as one (NFKC), capitals, no spaces or separators.

    Raises:
        OptOutPersonError: nothing is left of it, or it is too long.
    """
    found = unicodedata.normalize("NFKC", identifier).translate(_LEFT_OUT).strip().upper()
    if not found or len(found) > LONGEST or not found.isprintable():
        raise OptOutPersonError(reason=Text(msgid("an identifier is empty, too long or not printable")))
    return found
