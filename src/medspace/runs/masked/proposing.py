"""One question for all: what a site proposes it signs for everybody, and each site shows what it was brought.

A proposal is sealed for each site separately, so without this check a proposer, or a coordinator with two proposals,
could make half of the sites answer a different question.
"""

from medspace.core.canonical import JsonObject
from medspace.core.engine import Peers
from medspace.core.hashing import digest
from medspace.core.text import Text, msgid
from medspace.runs.masked.errors import MessageInvalidError, ProposalsDifferError, SurvivorsError
from medspace.runs.masked.memory import Remembered
from medspace.runs.masked.messages import PROPOSE, QuestionProposal, label
from medspace.trust.errors import EnvelopeError


def signed(keys: Peers, question: int, proposal: JsonObject) -> str:
    """What a site signs of what it proposes after a question: its digest."""
    return keys.sign(label(question, PROPOSE), _digest(proposal))


def check_signed(keys: Peers, site: str, question: int, message: QuestionProposal) -> None:
    """Whether a proposal is the one that its site has signed for everybody.

    Raises:
        MessageInvalidError: it is not; the site is named.
    """
    if _opened_text(keys, site, question, message.said) != _digest(message.proposal):
        raise MessageInvalidError(site=site, reason=Text(msgid("it has not signed what it proposes")))


def check_same(keys: Peers, site: str, said: str, memory: Remembered) -> None:
    """Whether a site answers the question of this one: it shows what whoever proposed it has signed.

    Raises:
        ProposalsDifferError: that one has signed two of them.
        SurvivorsError: two sites' proposals were carried.
        MessageInvalidError: the site shows what nobody has signed.
    """
    if said == memory.follows:
        return
    before = memory.question - 1
    shown = {seat: content for seat in keys.seats if (content := _opened_text(keys, seat, before, said)) is not None}
    if not shown or not memory.led:
        raise MessageInvalidError(site=site, reason=Text(msgid("it answers a question that nobody proposed")))
    if memory.led not in shown:
        raise SurvivorsError(reason=Text(msgid("the sites were given proposals from two of them")))
    if shown[memory.led] != _opened_text(keys, memory.led, before, memory.follows):
        reason = Text(msgid("it has proposed different questions to different sites"))
        raise ProposalsDifferError(site=memory.led, reason=reason)


def _opened_text(keys: Peers, site: str, question: int, text: str) -> bytes | None:
    try:
        return keys.proven(site, label(question, PROPOSE), text)
    except EnvelopeError:
        return None


def _digest(proposal: JsonObject) -> bytes:
    """No digest for what has no canonical form, since it cannot follow from anything."""
    try:
        return digest(proposal).encode()
    except ValueError:
        return b""
