"""What the parties of a run sign of each question and each answer, so that neither can be put to another use.

Both are bound to the manifest, the use, the round, the sender and the receiver; a question by the digest of all
that it asks (its name, inputs, parts and mail), an answer by the digest of that question and of all that it says.
"""

from dataclasses import dataclass
from datetime import datetime

from medspace.core.canonical import canonical
from medspace.core.signing import Signer
from medspace.trust import hybrid
from medspace.trust.model import Member

QUESTION, ANSWER = "medspace-question", "medspace-answer"
SIGNATURE = hybrid.LONGEST  # characters


@dataclass(frozen=True, slots=True)
class QuestionStatement:
    """A question of a run as both sides know it. `user` asks, for the run's user or as its coordinator."""

    manifest: str  # digest
    use: str  # by the site's pid
    round: int
    step: str  # digest of everything that is asked
    user: str  # DID
    site: str  # DID

    def question(self) -> bytes:
        """What who asks signs."""
        return canonical(self._signed_fields() | {"from": self.user, "to": self.site})

    def answer(self, digest: str) -> bytes:
        """What the site signs, with the digest of its answer."""
        return canonical(self._signed_fields() | {"answer": digest, "from": self.site, "to": self.user})

    def _signed_fields(self) -> dict[str, str | int]:
        return {"manifest": self.manifest, "round": self.round, "step": self.step, "use": self.use}


def sign_question(asked: QuestionStatement, signer: Signer) -> str:
    """The signature of who asks."""
    return hybrid.sign(signer, asked.user, QUESTION, asked.question())


def check_question(signature: str, asked: QuestionStatement, user: Member, at: datetime) -> None:
    """Whether it is signed by who asks, with Ed25519 and ML-DSA-65.

    Raises:
        SignatureError, ...: as `trust.hybrid.check`.
    """
    hybrid.check(signature, user, QUESTION, asked.question(), at, both=True)


def sign_answer(asked: QuestionStatement, digest: str, signer: Signer) -> str:
    """The signature of the site."""
    return hybrid.sign(signer, asked.site, ANSWER, asked.answer(digest))


def check_answer(signature: str, asked: QuestionStatement, digest: str, site: Member, at: datetime) -> None:
    """Whether it is signed by the site, with Ed25519 and ML-DSA-65.

    Raises:
        SignatureError, ...: as `trust.hybrid.check`.
    """
    hybrid.check(signature, site, ANSWER, asked.answer(digest), at, both=True)
