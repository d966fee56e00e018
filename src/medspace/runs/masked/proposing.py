"""One question for all: what a site proposes it signs for everybody, and each site shows what it was brought.

A proposal is sealed for each site by itself, so that whoever proposes, or carries two proposals, could have half of
the sites answer another question than the others.
"""

from medspace.core.canonical import JsonObject
from medspace.core.engine import Peers
from medspace.core.hashing import digest
from medspace.core.text import Text, msgid
from medspace.runs.masked.errors import MessageInvalidError, ProposalsDifferError, SurvivorsError
from medspace.runs.masked.memory import Remembered
from medspace.runs.masked.messages import PROPOSE, Proposal, label
from medspace.trust.errors import EnvelopeError


def signed(keys: Peers, question: int, proposal: JsonObject) -> str:
    """What a site signs of what it proposes after a question: its digest."""
    return keys.sign(label(question, PROPOSE), _digest(proposal))


def check_signed(keys: Peers, site: str, question: int, message: Proposal) -> None:
    """Whether a proposal is the one that its site has signed for everybody.

    Raises:
        MessageInvalidError: it is not; the site is named.
    """
    if _said(keys, site, question, message.said) != _digest(message.proposal):
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
    shown = {seat: content for seat in keys.seats if (content := _said(keys, seat, before, said)) is not None}
    if not shown or not memory.led:
        raise MessageInvalidError(site=site, reason=Text(msgid("it answers a question that nobody proposed")))
    if memory.led not in shown:
        raise SurvivorsError(reason=Text(msgid("the sites were brought the proposals of two of them")))
    if shown[memory.led] != _said(keys, memory.led, before, memory.follows):
        reason = Text(msgid("it has proposed different questions to different sites"))
        raise ProposalsDifferError(site=memory.led, reason=reason)


def _said(keys: Peers, site: str, question: int, text: str) -> bytes | None:
    try:
        return keys.proven(site, label(question, PROPOSE), text)
    except EnvelopeError:
        return None


def _digest(proposal: JsonObject) -> bytes:
    """Of what has no canonical form, and so follows from nothing: no digest."""
    try:
        return digest(proposal).encode()
    except ValueError:
        return b""
