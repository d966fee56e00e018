"""What a site contributes to a question: its own sums, under masks, and the hashes of all that may ever be opened."""

import base64
from dataclasses import dataclass
from typing import cast

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_WEIGHTS
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest_bytes
from medspace.core.limits import KIB
from medspace.core.parts import Part
from medspace.core.text import Text, msgid
from medspace.core.usage import HolderNote
from medspace.privacy.masking import fixed
from medspace.privacy.masking.masks import masked
from medspace.privacy.masking.ring import MOST_NUMBERS, Ring
from medspace.privacy.masking.seeds import SEED_BYTES, CommitmentKind, round_seed
from medspace.privacy.masking.shamir import split
from medspace.privacy.noise.gaussian import draw, seeded
from medspace.runs.masked import messages, opening, vectors
from medspace.runs.masked.memory import MaskSecrets, Remembered
from medspace.runs.masked.messages import MaskedContribution, SharedSeed
from medspace.runs.masked.ports import (
    Measuring,
    Revealing,
    Shape,
    SummedParts,
    Summing,
    SummingParts,
    TaskQuestion,
    Telling,
)
from medspace.runs.masked.sitting import Sitting
from medspace.runs.masked.vectors import MEDIA_TYPE

RING = Ring(192)  # 96 bits behind the point, and room for sums of squares: no scale has to be agreed on
INLINE = 128 * KIB  # of all masked vectors together: larger ones are parts


@dataclass(frozen=True, slots=True)
class Vector:
    """A masked vector: in words, or as a part beside them."""

    digest: str
    words: str = ""
    part: Part | None = None


class Contributing(Sitting):
    """The part of a step that makes a contribution."""

    def vector(
        self, asked: TaskQuestion, shape: Shape, masks: MaskSecrets, memory: Remembered
    ) -> tuple[Vector, int, tuple[HolderNote, ...]]:
        """The site's sums under their masks, the persons behind them, and what only the holder is told of them."""
        me, seats = self.keys.holder, len(self.keys.seats)
        self._check_noise(shape)
        if isinstance(self.summed, SummedParts):
            part, persons = self._summed_in_parts(asked, shape, masks, memory.question)
            return Vector(vectors.named(part), part=part), persons, ()
        count = shape.count * len(self.tables)
        if shape.bits != RING.bits or count > MOST_NUMBERS or not fixed.fits(shape.largest, seats, RING):
            raise vectors.no_place()
        numbers, persons, notes = self._sums(asked, shape, memory)
        content = RING.to_bytes(masked(RING.encode(numbers), RING, me, masks.pairs, masks.own))
        named = digest_bytes(content)
        if len(content) <= INLINE // seats:
            return Vector(named, words=base64.b64encode(content).decode()), persons, notes
        with self.blobs.create(MEDIA_TYPE) as made:
            made.write(content)
        return Vector(named, part=made.part), persons, notes

    def _summed_in_parts(
        self, asked: TaskQuestion, shape: Shape, masks: MaskSecrets, question: int
    ) -> tuple[Part, int]:
        """The same for a large vector: only if the contract accepts what the coordinator could do with its sum."""
        if self.admission.protection != MASKED_WEIGHTS:
            raise InvalidInputError(reason=Text(msgid("its sums are too large for what its protection promises")))
        vectors.check_place(shape, len(self.keys.seats))
        summing = cast("SummingParts", self.site.task.summing)
        material, blobs = self.workplace.material, self.blobs
        blocks, persons = summing.blocks(self.admission, self.step.task, asked, shape, material, question, blobs)
        return vectors.hidden(blocks, shape, self.keys.holder, masks.pairs, masks.own, blobs), persons

    def _sums(
        self, asked: TaskQuestion, shape: Shape, memory: Remembered
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        summing = cast("Summing", self.site.task.summing)
        asking = self.admission, self.step.task, asked, shape, self.workplace.material, memory.question
        notes: tuple[HolderNote, ...] = ()
        if isinstance(summing, Telling):
            numbers, persons, notes = summing.told_sums(*asking)
        else:
            numbers, persons = summing.sums(*asking)
        if shape.shares and self.admission.brakes.noise:
            numbers = self._with_noise(numbers, shape, memory)
        if len(numbers) != shape.count or not fixed.in_range(numbers, shape.largest, 1):
            raise InvalidInputError(reason=Text(msgid("a sum is larger than the ranges of the columns allow")))
        return numbers, persons, notes

    def _check_noise(self, shape: Shape) -> None:
        """Check that no total lacks the noise by which a budget bounds it and any site may leave.

        Raises:
            InvalidInputError: this one would.
        """
        drawn = shape.shares > 0 and not isinstance(self.summed, SummedParts)
        if not drawn and (self.admission.noisy or shape.shares):
            sentence = msgid("its total would carry no noise, and a privacy budget pays for noise in each")
            raise InvalidInputError(reason=Text(sentence))

    def _with_noise(self, numbers: list[int], shape: Shape, memory: Remembered) -> list[int]:
        """Add the site's share of the noise; others add the rest, and some of them may disclose theirs.

        Raises:
            InvalidInputError: so many honest sites as the task counts on may not be in a total of this run.
        """
        thresholds = self.table.thresholds
        honest = thresholds.fewest_survivors - thresholds.colluders
        if honest < shape.shares:
            facts = {"shares": shape.shares, "honest": honest}
            sentence = msgid("its noise is made up of {shares} shares, and a total may hold no more than {honest}")
            raise InvalidInputError(reason=Text(sentence, facts))
        stream = seeded(memory.noise, f"{self.table.manifest} {memory.question}")
        drawn = draw(len(numbers), stream).tolist()
        return [number + share for number, share in zip(numbers, drawn, strict=True)]

    def measured(self, asked: TaskQuestion, question: int) -> JsonObject:
        """The site's own quality: it leaves where its terms list it (`glm.quality`), and may be what they demand."""
        demanded = isinstance(self.summed, Measuring) and not self.admission.noisy
        if isinstance(self.summed, SummedParts) or not (demanded or self.site.quality in self.admission.listed):
            return {}
        summing = cast("Summing", self.site.task.summing)
        found = summing.own_quality(self.admission, self.step.task, asked, self.workplace.material, question)
        return {} if found is None else found[0]

    def shown(self, asked: TaskQuestion, question: int) -> dict[str, str]:
        """What the log says of an answer that the total shows as it is (`Revealing`)."""
        summing = self.site.task.summing
        if not isinstance(summing, Revealing):
            return {}
        kind = summing.shown(self.admission, self.step.task, asked, question)
        return {} if kind is None else {"shown": kind}

    def masks(self, memory: Remembered) -> MaskSecrets:
        """The seeds of a question's masks."""
        table, question, me = self.table, memory.question, self.keys.holder
        pairs = {
            peer: round_seed(secret, table.manifest, question, opening.PART, *table.pair(me, peer))
            for peer, secret in memory.secrets.items()
        }
        return MaskSecrets(self.workplace.randomness.token_bytes(SEED_BYTES), pairs, "", b"")

    def contributed(
        self, memory: Remembered, masks: MaskSecrets, vector: Vector
    ) -> tuple[MaskSecrets, MaskedContribution, dict[str, bytes]]:
        """The secrets of the masks, what is said of them and of the masked vector, and the shares for the peers."""
        table, question, me = self.table, memory.question, self.keys.holder
        dealt = split(masks.own, table.thresholds.opening, len(table.seats), self.workplace.randomness)
        shares = {site: share.value for site, share in zip(table.seats, dealt, strict=True)}
        contribution = MaskedContribution(
            question=question,
            digest=vector.digest,
            words=vector.words,
            own=table.commitment(CommitmentKind.SELF, masks.own, question, me),
            pairs={
                peer: table.commitment(CommitmentKind.PAIR, seed, question, *table.pair(me, peer))
                for peer, seed in masks.pairs.items()
            },
            shares={
                site: table.commitment(CommitmentKind.SHARE, value, question, me, site)
                for site, value in shares.items()
            },
            follows=memory.follows,
        )
        sent = {peer: messages.written(SharedSeed(share.hex())) for peer, share in shares.items() if peer != me}
        return msgspec.structs.replace(masks, share=shares[me]), contribution, sent
