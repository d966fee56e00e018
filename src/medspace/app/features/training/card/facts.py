"""A model's card as data: `facts`, which are signed, and what they say in the reader's language.

Counts of rows and patients are rounded to tens: a card is handed around. Who has the model has the exact ones.
"""

from collections.abc import Mapping
from datetime import datetime

from medspace.core.canonical import Json, JsonObject, canonical, exact
from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.signing import Signer
from medspace.core.text import Text, msgid
from medspace.trust import hybrid
from medspace.trust.errors import SignatureError
from medspace.trust.model import Member

KIND = "medspace:model-card"
TYPE = "medspace-model-card+1"  # of its signature
ABOUT = 10  # counts are rounded to multiples of this
_MISSING = " is missing"  # ends the name of the term that says where a feature has no value

LIMITS = (
    msgid("It was made for the purpose above; for another one it has not been judged."),
    msgid(
        "It describes the hospitals and the years that its rows come from; evaluate it again before using it "
        "elsewhere."
    ),
    msgid("It is no medical device: no decision about a patient may rest on it alone."),
)
IN_SAMPLE = msgid(
    "Its quality was measured on the rows that it was fitted on, so it is better here than with new patients."
)
NO_GROUPS = msgid("Nobody has measured whether it is equally good for different groups of patients.")


def facts_of(made: JsonObject, parameters: str | None = None) -> JsonObject:
    """What the card states of a model, as the management API describes it.

    `parameters` is the digest of what it computes (`learning.using`), by which its file belongs to its card.
    """
    quality = {"sites": (), "pooled": {}} | (made.get("quality") or {})
    found: JsonObject = {
        "kind": KIND,
        "model": {name: made[name] for name in ("id", "digest", "created", "task_digest")},
        "parameters": parameters,
        "task": made["task"],
        "data": {
            "rows": about(made["rows"]),
            "patients": about(quality["pooled"].get("persons") or made.get("persons") or 0),
            "missing": _missing(made),
            "hospitals": [_hospital(one) for one in made["sites"] if one["status"] == "took_part"],
        },
        "quality": {
            "measured_on": made.get("measured_on"),
            "hospitals": [_measured(one) for one in quality["sites"]],
            "all": _measured(quality["pooled"]),
        },
        "judged": made.get("judged"),
        **({"mitigated": made["mitigated"]} if made.get("mitigated") else {}),
        "rounds": [
            {"question": one["question"], "objective": one["objective"], "hospitals": len(one["sites"])}
            for one in made.get("opened", {}).get("questions", ())
        ],
        "protection": made["lineage"]["protection"],
        "noise": made.get("noise"),
        "lineage": {name: made["lineage"][name] for name in ("run", "agreements", "sites", "coordinator")},
    }
    found |= {name: made[name] for name in ("trials", "cycle", "grid") if made.get(name)}
    signed: JsonObject = exact(found)
    return signed


def about(count: int) -> int:
    """A count, rounded to tens."""
    return (int(count) + ABOUT // 2) // ABOUT * ABOUT


def _hospital(one: JsonObject) -> JsonObject:
    return {"site": one["site"], "name": one["name"]}


def _measured(one: Mapping[str, Json]) -> JsonObject:
    if not one:
        return {}
    rounded = {name: about(int(str(one[name] or 0))) for name in ("rows", "persons") if name in one}
    kept = {
        name: one[name]
        for name in ("site", "name", "auc", "auc_resolution", "concordance", "brier", "ece", "rmse", "intervals")
        if name in one
    }
    return {**kept, **rounded}


def _missing(made: JsonObject) -> list[JsonObject]:
    """Per column the share of rows without a value, as far as the terms tell it."""
    return [
        {"column": str(one["name"]).removesuffix(_MISSING), "share": f"{float(one['mean']):.2f}"}
        for one in made.get("terms", ())
        if str(one["name"]).endswith(_MISSING)
    ]


def limits_of(made: JsonObject) -> list[Text]:
    """What the model is not for, and what is not known of it."""
    said = [Text(one) for one in LIMITS]
    if made.get("measured_on") == "training rows":
        said.append(Text(IN_SAMPLE))
    if not any(one["column"] for one in (made.get("judged") or {"groups": ()})["groups"]):
        said.append(Text(NO_GROUPS))
    return said


def signed(facts: JsonObject, signer: Signer, did: str, now: datetime) -> JsonObject:
    """Who says so and when, with a signature over the digest of the facts (`trust.hybrid.signed`)."""
    claims: JsonObject = {"card": digest(facts), "by": did, "time": stamp(now)}
    return {**claims, "signature": hybrid.signed(signer, did, TYPE, claims)}


def check(card: JsonObject, member: Member, at: datetime) -> None:
    """Check that a member has signed the facts of a card.

    Raises:
        SignatureError: it has not, or the facts are others.
    """
    text = str(card["signed"]["signature"])
    claims = hybrid.proven(text, member, TYPE, at)
    said = {name: card["signed"][name] for name in ("card", "by", "time")}
    if claims != canonical(said) or digest(card["facts"]) != said["card"] or said["by"] != member.did:
        raise SignatureError(did=member.did)
