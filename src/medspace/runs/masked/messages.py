"""What sites say to one another in masked rounds: the forms, and how they are read.

All of it comes from others, through others: signatures and seals (`core.engine.Peers`) say from
whom, for which run and for which question; here it is read within bounds.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, TypeVar

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid
from medspace.runs.masked.errors import MaskedError, MessageInvalidError
from medspace.trust.envelope import unproven

SHARE, CONTRIBUTE, AGREE, OPEN, PROPOSE, RESULT = "share", "contribute", "agree", "open", "propose", "result"
STEPS = (SHARE, CONTRIBUTE, AGREE, OPEN, PROPOSE, RESULT)
ROWLESS = frozenset({SHARE, AGREE, OPEN, PROPOSE, RESULT})

Form = TypeVar("Form")
_Hash = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
_Words = Annotated[str, msgspec.Meta(max_length=limits.STEP)]
_Signed = Annotated[str, msgspec.Meta(max_length=16 * limits.KIB)]
_Number = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,256}\Z")]


def label(question: int, step: str) -> str:
    """The label under which a message is sealed or signed: unique among a sender's messages to a peer."""
    return f"{question}/{step}"


class MaskedContribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site's masked vector, and the hashes of everything that may ever be opened of its masks.

    `digest` is that of the bytes of the vector, `words` these themselves (base64), or "" where they are a part beside
    it; `pairs` has the hash of the round seed with each peer, `own` that of
    the seed of the site's own mask, `shares` that of the share of it which each seat holds. `follows` is what the
    site that proposed this question signed of it, "" of the first: so that nobody is told another one.
    """

    question: _Number
    digest: _Hash
    words: _Words
    own: _Hash
    pairs: dict[str, _Hash]
    shares: dict[str, _Hash]
    follows: _Signed = ""


class SurvivorList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who is in the total of a question, each with the hash of its signed contribution.

    `total` is the digest of the masked total, where the coordinator has added it up: all sites sign the same one.
    """

    question: _Number
    sites: dict[str, _Hash]
    total: _Hash | None = None


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one site gives to open a total: shares of the survivors' own masks, round seeds with the lost ones."""

    shares: dict[str, Hex]
    pairs: dict[str, Hex]


class QuestionProposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the next question is to be, with the opening of the site that proposes it.

    `said` is the digest of the proposal, signed for everybody.
    """

    opening: Opening
    proposal: JsonObject
    said: _Signed


class SharedSeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One seat's share of the seed of a peer's own mask."""

    share: Hex


def written(message: msgspec.Struct) -> bytes:
    """A message as it is signed or sealed, in canonical form."""
    return msgspec.json.encode(message, order="deterministic")


def read(content: bytes, form: type[Form], site: str) -> Form:
    """A message of a site.

    Raises:
        MessageInvalidError: it does not have that form.
    """
    try:
        return read_json(content, form)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MessageInvalidError(
            site=site, reason=Text(msgid("it does not have the form that its step requires"))
        ) from None


def said(text: str) -> bytes:
    """What a signed message says, whoever signed it, "" if it is none: for one that this site says it has made."""
    try:
        return unproven(text)
    except (ValueError, IndexError):
        return b""


def hashed(text: str) -> str:
    """The hash by which a signed message is named."""
    return digest_bytes(text.encode())


class CarriedTexts(msgspec.Struct, frozen=True):
    """What the coordinator carries beside sealed messages: the question's number, signed texts by site.

    `proposer` is who has said what follows, where it is not whose turn it was.
    """

    question: _Number = 1
    proposer: str = ""
    texts: dict[str, Annotated[str, msgspec.Meta(max_length=limits.STEP)]] = {}


def carried(inputs: Mapping[str, object]) -> CarriedTexts:
    """The inputs of a step.

    Raises:
        MaskedError: they do not have that form.
    """
    try:
        return msgspec.convert(inputs, CarriedTexts)
    except msgspec.ValidationError:
        raise MaskedError(reason=Text(msgid("the inputs do not have the form that the step requires"))) from None


def proposer(manifest: str, question: int, survivors: Sequence[str]) -> str:
    """The site that proposes the next question: nobody can choose it."""
    place = sha256(f"medspace proposer\n{manifest}\n{question}".encode()).digest()
    return sorted(survivors)[int.from_bytes(place) % len(survivors)]
