"""What an SD-JWT says: RFC 9901 7.1, steps 3 to 5, over a payload whose signature the caller has verified."""

from collections.abc import Sequence
from typing import Any

import msgspec

from medspace.core.canonical import DEEPEST, Json, JsonObject
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.trust.jws import JwsError, decode
from medspace.trust.sdjwt.errors import (
    CardPartError,
    DisclosureNameError,
    DisclosureTwiceError,
    DisclosureUnusedError,
    SdJwtMalformedError,
)
from medspace.trust.sdjwt.model import DOTS, HIDDEN, SD, SD_ALG, SHA256, ClaimPath, DisclosedClaims, Disclosure, SdJwt

LONGEST = 256 * 1024  # characters of an SD-JWT with its disclosures
MOST_DISCLOSURES = 512
MOST_DIGESTS = 4096  # decoys included
LONGEST_SALT = 128
_NAMED, _ELEMENT = 3, 2  # parts of a disclosure: of a claim, and of an element of an array


def split(text: str) -> SdJwt:
    """Take an SD-JWT apart (RFC 9901 4).

    Raises:
        SdJwtMalformedError: too long, too many disclosures, or no SD-JWT.
    """
    if len(text) > LONGEST or not text.isascii():
        raise malformed(msgid("it is too large"))
    issued, *rest = text.split("~", MOST_DISCLOSURES + 2)
    if not rest or not issued:
        raise malformed(msgid("its parts are not separated"))
    *disclosures, binding = rest
    if len(disclosures) > MOST_DISCLOSURES or "~" in binding:
        raise malformed(msgid("it has too many parts"))
    return SdJwt(issued, tuple(disclosures), binding)


def malformed(reason: str) -> SdJwtMalformedError:
    """The error for that reason."""
    return SdJwtMalformedError(reason=Text(reason))


def read_disclosure(text: str) -> Disclosure:
    """One disclosure (RFC 9901 4.2).

    Raises:
        CardPartError: it is no disclosure.
        DisclosureNameError: it has a reserved name.
    """
    try:
        parts = read_json(decode(text), list[Any])
    except (JwsError, msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        raise CardPartError(reason=Text(msgid("it is malformed"))) from None
    if len(parts) not in (_NAMED, _ELEMENT) or not isinstance(parts[0], str) or len(parts[0]) > LONGEST_SALT:
        raise CardPartError(reason=Text(msgid("it is malformed")))
    if len(parts) == _ELEMENT:
        return Disclosure(text, None, parts[1])
    if not isinstance(parts[1], str):
        raise CardPartError(reason=Text(msgid("it is malformed")))
    if parts[1] in (SD, DOTS):
        raise DisclosureNameError(name=parts[1])
    return Disclosure(text, parts[1], parts[2])


def disclosed(payload: JsonObject, texts: Sequence[str]) -> DisclosedClaims:
    """The claims of a verified payload with its disclosures.

    Raises:
        SdJwtMalformedError: another hash, or digests where there can be none.
        CardPartError: one subclass, with its own code, for each rule.
    """
    if payload.get(SD_ALG, SHA256) != SHA256:
        raise malformed(msgid("it uses another hash than SHA-256"))
    walk = _Walk(texts)
    placed: JsonObject = walk.value({name: one for name, one in payload.items() if name != SD_ALG}, (), DEEPEST)
    if len(walk.paths) != len(texts):
        raise DisclosureUnusedError
    return DisclosedClaims(_without_hidden(placed), placed, walk.paths)


class _Walk:
    """One pass over a payload: each digest is looked up once, and may occur once."""

    def __init__(self, texts: Sequence[str]) -> None:
        if len(set(texts)) != len(texts):
            raise DisclosureTwiceError
        self._by_digest = {one.digest: one for one in map(read_disclosure, texts)}
        self._seen: set[str] = set()
        self.paths: dict[str, ClaimPath] = {}

    def value(self, value: Json, path: ClaimPath, depth: int) -> Json:
        """A value with what is disclosed in it."""
        if depth == 0:
            raise malformed(msgid("it is nested too deeply"))
        if isinstance(value, dict):
            return self._object(value, path, depth)
        if isinstance(value, list):
            return [self._element(one, (*path, at), depth - 1) for at, one in enumerate(value)]
        return value

    def _object(self, value: JsonObject, path: ClaimPath, depth: int) -> JsonObject:
        if DOTS in value:
            raise malformed(msgid("a digest of an element stands outside of an array"))
        digests = value.get(SD, [])
        if not isinstance(digests, list):
            raise malformed(msgid("its digests are not a list"))
        found = {name: self.value(one, (*path, name), depth - 1) for name, one in value.items() if name != SD}
        for one in digests:
            part = self._look_up(one)
            if part is None:
                continue
            if part.name is None:
                raise CardPartError(reason=Text(msgid("an element of an array stands in an object")))
            if part.name in found:
                raise DisclosureNameError(name=part.name[:80])
            found[part.name] = self._show(part, (*path, part.name), depth)
        return found

    def _element(self, value: Json, path: ClaimPath, depth: int) -> Json:
        if not isinstance(value, dict) or DOTS not in value:
            return self.value(value, path, depth)
        if len(value) != 1:
            raise malformed(msgid("a digest of an element has something beside it"))
        part = self._look_up(value[DOTS])
        if part is None:
            return HIDDEN
        if part.name is not None:
            raise CardPartError(reason=Text(msgid("a claim with a name stands in an array")))
        return self._show(part, path, depth)

    def _look_up(self, digest: Json) -> Disclosure | None:
        if not isinstance(digest, str) or len(self._seen) >= MOST_DIGESTS:
            raise malformed(msgid("its digests are not texts, or too many"))
        if digest in self._seen:
            raise DisclosureTwiceError
        self._seen.add(digest)
        return self._by_digest.get(digest)

    def _show(self, part: Disclosure, path: ClaimPath, depth: int) -> Json:
        self.paths[part.text] = path
        return self.value(part.value, path, depth - 1)


def _without_hidden(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_hidden(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_hidden(one) for one in value if one is not HIDDEN]
    return value
