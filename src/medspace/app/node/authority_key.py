"""The public key of a space's authority, as people hand it to each other."""

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.trust.jws import JwsError, decode

KEY_BYTES = 32


class AuthorityKeyError(InvalidInputError):
    """An audit needs the authority's public key, from a trusted source."""

    code = "audit.authority_key"
    sentence = msgid("The audit needs the public key of the space's authority, 32 bytes in base64url.")
    next_step = msgid(
        "Ask the authority for it, or read it with `medspace doctor`, and give it with --authority-key."
    )


def authority_key(text: str) -> bytes:
    """The key of the authority in its written form.

    Raises:
        AuthorityKeyError: it is not a key.
    """
    try:
        key = decode(text.strip())
    except JwsError:
        raise AuthorityKeyError from None
    if len(key) != KEY_BYTES:
        raise AuthorityKeyError
    return key
