"""What all views share: versions of content, contracts in words, problems of processes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from medspace.app.node.retelling import retold
from medspace.connector.model import ProcessFailure
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid
from medspace.policy import odrl, words
from medspace.policy.clashes import Clash, clashes
from medspace.policy.errors import InvalidPolicyError

Speak = Callable[[str], str]

DENIED_EXIT = 3
WAITING_EXIT = 4
_ADMIT = msgid("Ask the authority to run `medspace admit` for you, with the key that you use now.")
# Remedies for some of the reasons for which a message is not accepted.
_REMEDIES: Mapping[str, str] = {
    "peer.clock": msgid("Set the clocks right (NTP): `medspace doctor` compares yours with those of the others."),
    "peer.redirected": msgid("Ask the operator of the other connector for the address that needs no redirect."),
    "peer.bad_answer": msgid("Something between you answers in its place: ask the operator of the other connector."),
    "identity.not-member": _ADMIT,
    "identity.key-mismatch": _ADMIT,
}


def version_of(*parts: object) -> str:
    """A short text that changes whenever the content does; a client waits until it changes."""
    return digest_bytes(repr(parts).encode())[7:23]


def contract(policy: JsonObject, speak: Speak) -> list[str]:
    """A policy in plain words; in a list, unreadable terms are reported rather than raised."""
    try:
        return [text.render(speak) for text in words.describe(odrl.parse(policy))]
    except InvalidPolicyError as error:
        return [Text(msgid("These terms cannot be read: {reason}"), {"reason": error.text}).render(speak)]


def clashing(policy: JsonObject, speak: Speak, now: datetime) -> list[JsonObject]:
    """What clashes in the terms of an offer; of unreadable terms, nothing."""
    try:
        return [clash(one, speak) for one in clashes(odrl.parse(policy), now)]
    except InvalidPolicyError:
        return []


def clash(found: Clash, speak: Speak) -> JsonObject:
    """One clash: its code, what it means, and the fewest clauses that make it one."""
    return {
        "code": found.code,
        "sentence": found.sentence.render(speak),
        "text": found.text.render(speak),
        "clauses": [{"clause": name, "says": said.render(speak)} for name, said in found.clauses],
    }


def offered(policy: JsonObject, speak: Speak, now: datetime) -> JsonObject:
    """One of one's own offers: its identity, its contract in words, and what clashes in it."""
    clashes_told = clashing(policy, speak, now)
    return {"id": policy["@id"], "contract": contract(policy, speak), "clashes": clashes_told}


def problem(failure: ProcessFailure | None, speak: Speak) -> JsonObject | None:
    """Why a process ended or is stuck, in the form of an error."""
    if failure is None:
        return None
    next_steps = {
        "peer": msgid("Ask for what the terms allow: `medspace catalog` shows offers, `medspace negotiate` agrees."),
        "delivery": msgid("The other connector could not be told; check that it runs."),
        "us": msgid("Your own rules said so: see `medspace policy try`."),
    }
    return {
        "code": failure.code,
        "sentence": told(failure, speak) or failure.code,
        "next_step": speak(_REMEDIES.get(failure.code) or next_steps.get(failure.source, next_steps["us"])),
        "clause": failure.clause,
        "exit_code": DENIED_EXIT,
        "source": failure.source,
    }


def told(failure: ProcessFailure, speak: Speak) -> str:
    """What a process ended for, as it was said: each thing once, without the names of clauses."""
    return " ".join(retold(one, speak) for one in _distinct_sentences(failure.reason))


def trouble(failure: ProcessFailure | None, speak: Speak) -> JsonObject | None:
    """Why a message is not taken yet, in the form of an error; it is repeated meanwhile."""
    found = problem(failure, speak)
    return found and found | {"exit_code": WAITING_EXIT}


def _distinct_sentences(reasons: Sequence[str]) -> Iterator[str]:
    """The sentences without repetitions: several clauses may say the same about one request."""
    said = set()
    for reason in reasons:
        clause, _, rest = reason.partition(": ")
        sentence = rest if rest and " " not in clause else reason
        if sentence not in said:
            said.add(sentence)
            yield sentence if sentence.endswith((".", "。")) else f"{sentence}."
