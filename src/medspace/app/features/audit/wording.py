"""What the kinds of entries and their facts are called, for people."""

from collections.abc import Mapping
from types import MappingProxyType

from medspace.app.doors.views import Speak
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import msgid
from medspace.ledger import kinds

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "offer.published": msgid("A dataset was offered"),
        "offer.withdrawn": msgid("An offer was withdrawn"),
        "questions.limited": msgid("The questions to a dataset were limited"),
        "label.changed": msgid("The label of a dataset was changed"),
        "sites.accepted": msgid("The sites of common runs were accepted"),
        "negotiation.requested": msgid("A contract was requested"),
        "negotiation.offered": msgid("A contract was offered"),
        "negotiation.accepted": msgid("A contract was accepted"),
        "negotiation.agreed": msgid("A contract was agreed"),
        "negotiation.verified": msgid("A contract was verified"),
        "negotiation.finalized": msgid("A contract came into force"),
        "negotiation.terminated": msgid("A negotiation was ended"),
        "negotiation.approved": msgid("A first person approved a contract"),
        "transfer.requested": msgid("A use was requested"),
        "transfer.started": msgid("A use was started"),
        "transfer.suspended": msgid("A use was suspended"),
        "transfer.completed": msgid("A use was completed"),
        "transfer.terminated": msgid("A use was ended"),
        "transfer.refused": msgid("A use was refused"),
        "agreement.ended": msgid("An agreement was ended"),
        "use.admitted": msgid("A question was admitted"),
        "use.refused": msgid("A question was refused"),
        "use.released": msgid("An answer was released"),
        "use.held": msgid("An answer waits for a person"),
        "use.approved": msgid("A first person approved an answer"),
        "use.changed": msgid("A person had an answer made anew with less in it"),
        "use.withheld": msgid("An answer was withheld"),
        "use.failed": msgid("A question failed"),
        "budget.set": msgid("A privacy budget was set"),
        "budget.dropped": msgid("A privacy budget was dropped"),
        "budget.debited": msgid("A privacy budget was debited"),
        "budget.refunded": msgid("A privacy budget was refunded"),
        "budget.renewed": msgid("A new period of a privacy budget began"),
        "budget.frozen": msgid("A privacy budget was frozen"),
        "run.started": msgid("A training run began"),
        "run.delegated": msgid("A training run was handed over"),
        "run.received": msgid("A model was received"),
        "run.round": msgid("A round of a training run was completed"),
        "run.finished": msgid("A training run made a model"),
        "run.failed": msgid("A training run failed"),
        "member.admitted": msgid("A member was admitted"),
        "member.removed": msgid("A member was removed"),
        "members.published": msgid("A members list was published"),
        "key.made": msgid("A key was made"),
        "key.revoked": msgid("A key was revoked"),
        "token.created": msgid("A token was created"),
        "token.revoked": msgid("A token was revoked"),
    }
)

FACTS: Mapping[str, str] = MappingProxyType(
    {
        "admission": msgid("Question"),
        "agreement": msgid("Agreement"),
        "agreements": msgid("Agreements"),
        "agreement_digest": msgid("Digest of the agreement"),
        "answers": msgid("Answers"),
        "asset": msgid("Dataset"),
        "by": msgid("Done by"),
        "clause": msgid("Clause"),
        "code": msgid("Reason"),
        "coordinator": msgid("Coordinator"),
        "counterparty": msgid("With"),
        "digest": msgid("Digest of the answer"),
        "dataset": msgid("Digest of the content"),
        "delta": msgid("Delta"),
        "dictionary": msgid("Digest of the dictionary"),
        "epsilon": msgid("Epsilon"),
        "expires": msgid("Expires"),
        "fitted": msgid("Digest of the last question"),
        "format": msgid("Kind of use"),
        "key": msgid("Key"),
        "label": msgid("Digest of the label"),
        "left_out": msgid("Left out"),
        "list": msgid("Digest of the list"),
        "manifest": msgid("Digest of the manifest"),
        "member": msgid("Member"),
        "missing": msgid("Sites that are missing"),
        "model": msgid("Digest of the model"),
        "offer": msgid("Offer"),
        "of": msgid("For"),
        "output": msgid("Output"),
        "peer_pid": msgid("Process at the other party"),
        "pid": msgid("Process"),
        "policy": msgid("Digest of the terms"),
        "protection": msgid("Protection"),
        "purpose": msgid("Purpose"),
        "question": msgid("Digest of the question"),
        "reasons": msgid("Reasons"),
        "release": msgid("Release"),
        "rho": msgid("Rho (zCDP, in units of 2^-40)"),
        "role": msgid("Our role"),
        "round": msgid("Round"),
        "rounds": msgid("Rounds"),
        "run": msgid("Run"),
        "scope": msgid("Digest of the rows in scope"),
        "scopes": msgid("Scopes"),
        "since": msgid("Since"),
        "sites": msgid("Sites"),
        "step": msgid("Step"),
        "task": msgid("Digest of the task"),
        "token": msgid("Token"),
        "transfer": msgid("Use"),
        "until": msgid("Until"),
        "use_kind": msgid("Kind of use"),
        "user": msgid("User"),
    }
)


def kinds_in_words(speak: Speak) -> list[tuple[str, str]]:
    """All kinds that this program can name in words: those of the ledger, then those of features."""
    return [(kind, speak(said)) for kind, said in KINDS.items()] + [
        (one.name, speak(one.says)) for one in kinds.learned() if one.says
    ]


def kind_in_words(kind: str, speak: Speak) -> str:
    """A kind of entry in words; its name where there are none."""
    known = kinds.find(kind)
    said = KINDS.get(kind) or (known.says if known else "")
    return speak(said) if said else kind


def facts_in_words(facts: JsonObject, speak: Speak) -> list[JsonObject]:
    """The facts of an entry with what they are called; those that are parts of others are told one by one."""
    return [
        {"fact": name, "said": speak(FACTS[name]) if name in FACTS else name, "value": _value(value)}
        for name, value in facts.items()
    ]


def _value(value: Json) -> list[str]:
    if isinstance(value, list | tuple):
        return [one for part in value for one in _value(part)]
    if isinstance(value, dict):
        return [", ".join(f"{name} {part}" for name, part in value.items())]
    return [str(value)]
