"""Sealed questions and answers of a run of masked sums: nobody in between can read them.

A question is sealed for the key of the seat (`trust.envelope`), which is gone with the use; what proves who asks is
the signature within it, which names the seat. It carries a key for its answers, drawn by the asker, whatever they
are: a release, a step in progress, a refusal. Only who opened the question can ask for its answer. The seal covers
all that is trusted of an answer, including its status and what it answers: nobody in between can turn a release into
a refusal, or pass the answer to one question off as that to another.
"""

import re
from dataclasses import dataclass, field

from medspace.core import limits
from medspace.core.clock import Randomness
from medspace.core.hashing import digest_bytes
from medspace.core.sealing import KEY_BYTES, Sealer
from medspace.runs.manifest import Manifest
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.errors import EnvelopeUnreadableError

MEDIA_TYPE = "application/vnd.medspace.sealed"
LARGEST_QUESTION = limits.STEP + KEY_BYTES + envelope.OVERHEAD
LARGEST_ANSWER = (limits.ANSWER + limits.KIB) * 4 // 3  # base64
_HEAD = re.compile(rb"([1-5][0-9]{2}) ([0-9]{0,9})\n")


@dataclass(frozen=True, slots=True)
class CoveredAnswer:
    """An answer: its HTTP status, its body, and after how many seconds to ask again, "" where it does not say."""

    status: int
    body: bytes = field(repr=False)
    after: str = ""


def to_question(sealed: bytes) -> str:
    """What the answer to a sealed question is an answer to."""
    return f"question {digest_bytes(sealed)}"


def to_step(step: str) -> str:
    """What an answer is to, where a step was asked for before: its name within the use."""
    return f"step {step}"


@dataclass(frozen=True, slots=True)
class Answers:
    """Seals and opens the answers of one use, on both sides. `key` came with the question."""

    manifest: str  # digest
    use: str  # by the site's pid
    key: bytes = field(repr=False)
    randomness: Randomness = field(repr=False)

    def sealed(self, said: CoveredAnswer, to: str) -> bytes:
        """An answer, of whatever status, `to` what it answers."""
        content = f"{said.status} {said.after}\n".encode() + said.body
        return Sealer(self.key, self.randomness).seal(content, self._name(to)).encode()

    def opened(self, sealed: bytes, to: str) -> CoveredAnswer:
        """What was sealed.

        Raises:
            ValueError: it is not sealed with this key for this use, answers something else, or was changed.
        """
        content = Sealer(self.key, self.randomness).open(sealed.decode("ascii"), self._name(to))
        head = _HEAD.match(content)
        if head is None:
            raise ValueError("no status")
        return CoveredAnswer(int(head[1]), content[head.end() :], head[2].decode())

    def _name(self, to: str) -> str:
        return f"answer\n{self.manifest}\n{self.use}\n{to}"


@dataclass(frozen=True, slots=True)
class Cover:
    """The channel to one seat, on the side of whoever leads the run; `seat` is the public key of the seat."""

    manifest: Manifest
    site: str  # DID
    seat: bytes = field(repr=False)
    answers: Answers

    @classmethod
    def drawn(cls, manifest: Manifest, use: str, site: str, seat: bytes, randomness: Randomness) -> "Cover":
        """A new one, with a new key for answers."""
        key = randomness.token_bytes(KEY_BYTES)
        return cls(manifest, site, seat, Answers(manifest.digest, use, key, randomness))

    def question(self, body: bytes) -> bytes:
        """A question, sealed.

        Raises:
            EnvelopeError: it is too large.
        """
        context = _context(self.manifest, self.answers.use, self.site)
        return envelope.enclose(self.answers.key + body, context, self.seat)


def uncovered(
    sealed: bytes, manifest: Manifest, use: str, site: str, key: EnvelopeKey, randomness: Randomness
) -> tuple[bytes, Answers]:
    """A question as the site opens it, and what seals its answers. Its content proves who asks.

    Raises:
        EnvelopeUnreadableError: it is not sealed for this seat and use.
    """
    content = envelope.enclosed(sealed, _context(manifest, use, site), key)
    if len(content) < KEY_BYTES:
        raise EnvelopeUnreadableError(sender=manifest.coordinator)
    return content[KEY_BYTES:], Answers(manifest.digest, use, content[:KEY_BYTES], randomness)


def _context(manifest: Manifest, use: str, site: str) -> Context:
    return Context(manifest.run, manifest.digest, manifest.coordinator, site, f"question {use}")
