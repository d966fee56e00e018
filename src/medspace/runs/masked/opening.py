"""Agreeing on who is in a total, and opening it: pure checks, each of which names the culprit.

`SeatGroup` is what all of them need to know of the run: who sits at it, on what terms, under which manifest.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medspace.core.hashing import digest
from medspace.core.parts import Part
from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import ShareInvalidError
from medspace.privacy.masking.masks import unmasked
from medspace.privacy.masking.ring import Ring
from medspace.privacy.masking.seeds import SEED_BYTES, CommitmentKind, commitment, committed
from medspace.privacy.masking.shamir import SecretShare, join
from medspace.privacy.masking.thresholds import Thresholds
from medspace.runs.masked.errors import (
    FalseOpeningError,
    MasksDifferError,
    MessageInvalidError,
    OpeningsMissingError,
    SurvivorsError,
)
from medspace.runs.masked.grouping import inside
from medspace.runs.masked.memory import Agreed, MaskSecrets
from medspace.runs.masked.messages import MaskedContribution, Opening, hashed

PART = "sum"  # a question has one masked vector


@dataclass(frozen=True, slots=True)
class SeatGroup:
    """The seats of a run, or of one group of it, sorted; who this site is, in it or not; manifest; who may leave."""

    seats: tuple[str, ...]
    me: str
    manifest: str
    thresholds: Thresholds
    leaving: frozenset[str]

    def point(self, site: str) -> int:
        """The point of a seat's shares."""
        return self.seats.index(site) + 1

    def committed(self, said: str, kind: CommitmentKind, value: bytes, question: int, *names: str) -> bool:
        """Whether a commitment of a question is to this value."""
        return committed(said, kind, value, self.manifest, question, PART, *names)

    def commitment(self, kind: CommitmentKind, value: bytes, question: int, *names: str) -> str:
        """The commitment to a value of a question."""
        return commitment(kind, value, self.manifest, question, PART, *names)

    def pair(self, one: str, other: str) -> tuple[str, str]:
        """The lower name, then the higher one."""
        return (one, other) if one < other else (other, one)


def check_survivors(table: SeatGroup, contributions: Mapping[str, MaskedContribution]) -> tuple[str, ...]:
    """Who is lost, if a total of the others may be opened.

    Raises:
        SurvivorsError: it may not: too few are left, or one is lost that the run may not go on without.
    """
    lost = tuple(site for site in table.seats if site not in contributions)
    without_me = table.me in table.seats and table.me not in contributions
    if len(contributions) + len(lost) != len(table.seats) or without_me:
        raise SurvivorsError(reason=Text(msgid("it names others than the seats of the run, or not this site")))
    too_few = table.thresholds.lost_too_many(len(contributions))
    if too_few is not None:
        raise SurvivorsError(reason=too_few)
    bound = [site for site in lost if site not in table.leaving]
    if bound:
        sentence = msgid("{site} is missing, and its own terms do not let the run go on without it")
        raise SurvivorsError(reason=Text(sentence, {"site": bound[0]}))
    return lost


def check_contributions(
    table: SeatGroup,
    question: int,
    contributions: Mapping[str, MaskedContribution],
    own: MaskSecrets,
    held: Mapping[str, bytes],
) -> None:
    """Check that all contributions are consistent, and that the shares given to this site match their commitments.

    With a group where this site is not it shares nothing.

    Raises:
        MessageInvalidError: it does not; who is named has lied to this site.
        MasksDifferError: two others contradict each other.
    """
    peers = set(table.seats)
    for site, said in contributions.items():
        if said.question != question or said.pairs.keys() != peers - {site} or said.shares.keys() != peers:
            raise _invalid(site, msgid("it belongs to another question, or to other seats"))
    for site, said in contributions.items() if table.me in table.seats else ():
        if site == table.me:
            continue
        seed = own.pairs[site]
        if not table.committed(
            said.pairs[table.me], CommitmentKind.PAIR, seed, question, *table.pair(site, table.me)
        ):
            raise _invalid(site, msgid("its mask with this site is not the agreed one"))
        if not table.committed(said.shares[table.me], CommitmentKind.SHARE, held[site], question, site, table.me):
            raise _invalid(site, msgid("the share that it gave this site does not match its commitment"))
    for site, said in contributions.items():
        for other in contributions.keys() - {site}:
            if said.pairs[other] != contributions[other].pairs[site]:
                raise MasksDifferError(site=min(site, other), other=max(site, other))


def agreed(
    seats: Sequence[str],
    contributions: Mapping[str, MaskedContribution],
    texts: Mapping[str, str],
    total: bytes | Part,
    signed: bytes,
    held: Mapping[str, bytes],
) -> Agreed:
    """What is remembered of an agreement."""
    lost = tuple(site for site in seats if site not in contributions)
    return Agreed(
        survivors={site: hashed(texts[site]) for site in contributions},
        lost=lost,
        total=b"" if isinstance(total, Part) else total,
        signed=base64.b64encode(signed).decode(),
        own={site: said.own for site, said in contributions.items()},
        pairs={site: inside(lost, said.pairs) for site, said in contributions.items()},
        shares={site: dict(said.shares) for site, said in contributions.items()},
        held=inside(contributions, held),
        part=(total.digest, total.size) if isinstance(total, Part) else None,
    )


def given(known: Agreed, masks: MaskSecrets) -> Opening:
    """What this site gives to open a total: shares of those who are in it, seeds with those who are not."""
    shares = {site: share.hex() for site, share in known.held.items()}
    return Opening(shares, {gone: seed.hex() for gone, seed in inside(known.lost, masks.pairs).items()})


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of the masks of a total: the survivors' own, and theirs with the lost, by (survivor, lost)."""

    own: Mapping[str, bytes]
    pairs: Mapping[tuple[str, str], bytes]

    def digest(self, total: Sequence[str]) -> str:
        """That of everything that was opened for a total: the same at every site.

        The seeds are unguessable, so the digest reveals nothing about the total to readers of the log.
        """
        said = {site: seed.hex() for site, seed in self.own.items()} | {
            f"{site} {gone}": seed.hex() for (site, gone), seed in self.pairs.items()
        }
        return digest({"seeds": said, "total": list(total)})


@dataclass(frozen=True, slots=True)
class OpenedTotal:
    """A total, and the digest of everything that was opened for it; of one that is a part, only what opens it."""

    numbers: list[int]
    digest: str
    seeds: Seeds


def opened_all(
    tables: Sequence[SeatGroup], question: int, known: Agreed, openings: Mapping[str, Opening], ring: Ring, count: int
) -> OpenedTotal:
    """The totals of all groups, one after the other.

    Raises:
        FalseOpeningError, MessageInvalidError, OpeningsMissingError: as `seeds_of`.
    """
    found = [
        opened(table, question, part, inside(table.seats, openings), ring, count)
        for table, part in zip(tables, known.groups([table.seats for table in tables]), strict=True)
    ]
    if len(found) == 1:
        return found[0]
    numbers = [number for one in found for number in one.numbers]
    own = {site: seed for one in found for site, seed in one.seeds.own.items()}
    pairs = {pair: seed for one in found for pair, seed in one.seeds.pairs.items()}
    seeds = Seeds(own, pairs)
    return OpenedTotal(numbers, seeds.digest([str(number) for number in numbers]), seeds)


def opened(
    table: SeatGroup, question: int, known: Agreed, openings: Mapping[str, Opening], ring: Ring, count: int
) -> OpenedTotal:
    """The total that the openings of at least the threshold open.

    Raises:
        FalseOpeningError, MessageInvalidError, OpeningsMissingError: as `seeds_of`.
    """
    seeds = seeds_of(table, question, known, openings)
    if known.part is not None:
        return OpenedTotal([], seeds.digest(known.part[:1]), seeds)
    numbers = ring.decode(unmasked(ring.from_bytes(known.total, count), ring, seeds.own, seeds.pairs))
    return OpenedTotal(numbers, seeds.digest([str(number) for number in numbers]), seeds)


def seeds_of(table: SeatGroup, question: int, known: Agreed, openings: Mapping[str, Opening]) -> Seeds:
    """The seeds that the openings of at least the threshold open.

    Raises:
        FalseOpeningError: one gave something else than it, or whose share it is, had committed to.
        MessageInvalidError: one gave too much, or too little.
        OpeningsMissingError: too few gave anything.
    """
    for site, given_ in openings.items():
        if given_.shares.keys() != known.survivors.keys() or set(given_.pairs) != set(known.lost):
            raise _invalid(site, msgid("it opens more or less than this list of sites asks for"))
    own = {site: _own_seed(table, question, known, openings, site) for site in known.survivors}
    pairs = {
        (site, gone): _pair_seed(table, question, known, openings, site, gone)
        for site in known.survivors
        for gone in known.lost
    }
    return Seeds(own, pairs)


def _own_seed(table: SeatGroup, question: int, known: Agreed, openings: Mapping[str, Opening], site: str) -> bytes:
    shares = []
    for opener, given_ in openings.items():
        value = bytes.fromhex(given_.shares[site]) if _is_hex(given_.shares[site]) else b""
        if not table.committed(known.shares[site][opener], CommitmentKind.SHARE, value, question, site, opener):
            raise FalseOpeningError(site=opener, reason=_of(site))
        shares.append(SecretShare(table.point(opener), value))
    if len(shares) < table.thresholds.opening:
        raise OpeningsMissingError(site=site)
    try:
        seed = join(shares, table.thresholds.opening, len(table.seats))
    except ShareInvalidError as error:  # each share is as its dealer gave it out
        raise FalseOpeningError(site=site, reason=error.text) from error
    if not table.committed(known.own[site], CommitmentKind.SELF, seed, question, site):
        raise FalseOpeningError(site=site, reason=Text(msgid("its shares yield a different seed")))
    return seed


def _pair_seed(
    table: SeatGroup, question: int, known: Agreed, openings: Mapping[str, Opening], site: str, gone: str
) -> bytes:
    if site not in openings:
        raise OpeningsMissingError(site=site)
    text = openings[site].pairs[gone]
    seed = bytes.fromhex(text) if _is_hex(text) else b""
    # The peer of this mask is lost, so the commitment to it may have been anything.
    if len(seed) != SEED_BYTES or not table.committed(
        known.pairs[site][gone], CommitmentKind.PAIR, seed, question, *table.pair(site, gone)
    ):
        raise FalseOpeningError(site=site, reason=Text(msgid("its seed with {other}"), {"other": gone}))
    return seed


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0


def _of(site: str) -> Text:
    return Text(msgid("its share of the seed of {other}"), {"other": site})


def _invalid(site: str, sentence: str, **facts: str) -> MessageInvalidError:
    return MessageInvalidError(site=site, reason=Text(sentence, dict(facts)))
