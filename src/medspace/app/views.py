"""Records as JSON for people and programs: what the management API, the SDK and `--json` show."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from medspace.app import attendance
from medspace.app.signing import shown
from medspace.app.waiting import Waiting
from medspace.connector.model import Agreement, Dataset, Failure, Negotiation, Transfer
from medspace.connector.negotiation.messages import NEGOTIATION
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_GROUPS, MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid
from medspace.policy import odrl, words
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.masks import Masks
from medspace.runs.model import Lineage, Model, Run
from medspace.runs.ports import Description, Forecast, Table
from medspace.trust.jws import encode
from medspace.trust.model import Member

Speak = Callable[[str], str]
Describe = Callable[[Model, Mapping[str, str]], Description | None]  # of a model, with the names of sites

PROTECTIONS: Mapping[str, str] = {
    COORDINATOR_SEES_SUMS: msgid(
        "The coordinator saw the sums of each hospital one by one; masked aggregation was not used."
    ),
    MASKED_SUMS: msgid(
        "No hospital's numbers left it except in the sum over all; the user chose the task and nothing else, and saw "
        "only the model."
    ),
    MASKED_GROUPS: msgid(
        "No hospital's numbers left it except in the sum over its group of hospitals; the user chose the task and "
        "nothing else, and saw only the model."
    ),
    MASKED_WEIGHTS: msgid(
        "No hospital's numbers left it except in the sum over all; but the coordinator could choose weights: it "
        "could have changed the large sums, and with them the model that the hospitals were asked about next."
    ),
}
OWN_QUALITY = msgid(
    "Of a hospital alone, its contract lets out what is shown here: how many patients and rows it has, and how good "
    "the model is there."
)
DENIED_EXIT = 3
WAITING_EXIT = 4
_ADMIT = msgid("Ask the authority to run `medspace admit` for you, with the key that you use now.")
# What helps against some of the reasons for which a message is not taken.
_REMEDIES: Mapping[str, str] = {
    "peer.clock": msgid("Set the clocks right (NTP): `medspace doctor` compares yours with those of the others."),
    "peer.redirected": msgid("Ask the operator of the other connector for the address that needs no redirect."),
    "peer.bad_answer": msgid("Something between you answers in its place: ask the operator of the other connector."),
    "identity.not-member": _ADMIT,
    "identity.key-mismatch": _ADMIT,
}


def version_of(*parts: object) -> str:
    """A short text that changes whenever what is shown changes: a client waits until it does."""
    return digest_bytes(repr(parts).encode())[7:23]


def contract(policy: JsonObject, speak: Speak) -> list[str]:
    """A policy in plain words; of terms that cannot be read a list says so and goes on."""
    try:
        return [text.render(speak) for text in words.describe(odrl.parse(policy))]
    except InvalidPolicyError as error:
        return [Text(msgid("These terms cannot be read: {reason}"), {"reason": error.text}).render(speak)]


def member(record: Member) -> JsonObject:
    """A member of the space; the key in base64url."""
    return {
        "did": record.did,
        "name": record.name,
        "region": record.region,
        "roles": list(record.roles),
        "operator": record.operator,
        "public_key": encode(record.public_key),
        "mldsa": [shown(key) for key in record.mldsa],
    }


def problem(failure: Failure | None, speak: Speak) -> JsonObject | None:
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
        "sentence": " ".join(_told(failure.reason)) or failure.code,
        "next_step": speak(_REMEDIES.get(failure.code) or next_steps.get(failure.source, next_steps["us"])),
        "clause": failure.clause,
        "exit_code": DENIED_EXIT,
        "source": failure.source,
    }


def trouble(failure: Failure | None, speak: Speak) -> JsonObject | None:
    """Why a message is not taken yet, in the form of an error; it is repeated meanwhile."""
    told = problem(failure, speak)
    return told and told | {"exit_code": WAITING_EXIT}


def _told(reasons: Sequence[str]) -> Iterator[str]:
    """What was said, each thing once: several clauses may say the same of one wish."""
    said = set()
    for reason in reasons:
        clause, _, rest = reason.partition(": ")
        sentence = rest if rest and " " not in clause else reason
        if sentence not in said:
            said.add(sentence)
            yield sentence if sentence.endswith((".", "。")) else f"{sentence}."


def negotiation(record: Negotiation, speak: Speak) -> JsonObject:
    """A negotiation, with whose move it is."""
    return {
        "id": record.id,
        "role": record.role.value,
        "state": record.state.value,
        "counterparty": record.counterparty,
        "dataset": record.dataset,
        "owner": NEGOTIATION.awaits(record),
        "agreement": record.agreement_id,
        "contract": contract(record.agreement or record.offer, speak),
        "created": record.created,
        "updated": record.updated,
        "problem": problem(record.failure, speak),
        "trouble": trouble(record.trouble, speak),
        "version": version_of(record),
    }


def agreement(record: Agreement, own: str, speak: Speak, *, in_force: bool, used_up: bool = False) -> JsonObject:
    """An agreement, with its contract in plain words."""
    return {
        "id": record.id,
        "role": "provider" if record.provider == own else "consumer",
        "counterparty": record.consumer if record.provider == own else record.provider,
        "dataset": record.dataset,
        "digest": record.digest,
        "finalized": record.finalized,
        "in_force": in_force,
        "used_up": used_up,
        "contract": contract(record.policy, speak),
        "policy": record.policy,
    }


def transfer(record: Transfer, speak: Speak) -> JsonObject:
    """A transfer process; the token of its address is not shown."""
    address = record.data_address or {}
    return {
        "id": record.id,
        "role": record.role.value,
        "state": record.state.value,
        "counterparty": record.counterparty,
        "agreement": record.agreement,
        "dataset": record.dataset,
        "format": record.format,
        "endpoint": address.get("endpoint"),
        "problem": problem(record.failure, speak),
        "trouble": trouble(record.trouble, speak),
        "version": version_of(record),
    }


def dataset(record: Dataset, speak: Speak) -> JsonObject:
    """One's own published dataset."""
    return {
        "id": record.id,
        "title": record.title,
        "description": record.description,
        "keywords": list(record.keywords),
        "formats": list(record.formats),
        "published": record.published,
        "digest": record.digest,
        "dictionary": record.dictionary,
        "contracts": [contract(offer, speak) for offer in record.offers],
    }


def decision(made: Decision, speak: Speak) -> JsonObject:
    """A decision with every premise in words."""
    return {
        "verdict": made.verdict.value,
        "code": made.code,
        "premises": [
            {
                "clause": premise.clause,
                "asked": premise.asked.render(speak),
                "held": premise.held.render(speak),
                "satisfied": premise.satisfied,
                "remedy": premise.remedy.render(speak) if premise.remedy else None,
            }
            for premise in made.premises
        ],
    }


def masks(promised: Masks | None, speak: Speak) -> JsonObject | None:
    """What masks promise: the fewest hospitals of a run, how many of the others may tell what they see."""
    if promised is None:
        return None
    return {
        "sites": promised.sites,
        "colluders": promised.colluders,
        "sentence": promised.promise.render(speak),
    }


def run(
    record: Run, made: Model | None, describe: Describe, waiting: Waiting, names: Mapping[str, str], speak: Speak
) -> JsonObject:
    """A training run: who was asked, who is in, who not and why; with its model once there is one.

    `user` is the member that handed it over to this connector, `coordinator` the one that it was handed over to.
    """
    sites = attendance.of_run(record, waiting, names, speak)
    coordinator = attendance.coordinator(record, waiting, names, speak)
    standing = [(one["site"], one["status"], one["sentence"], one["percent"]) for one in sites]
    return {
        "id": record.id,
        "state": record.state.value,
        "rounds": record.asked or record.round,
        "max_rounds": record.task.get("max_rounds"),
        "created": record.created,
        "without_missing": record.without_missing,
        "user": {"did": record.user, "name": names.get(record.user, record.user)} if record.user else None,
        "coordinator": coordinator,
        "sites": sites,
        "faults": [attendance.lost(fault) | {"sentence": fault.text.render(speak)} for fault in record.faults],
        "problem": attendance.problem(record, names, speak),
        "seconds": made.seconds if made else None,
        "model": model(made, describe, names, speak) if made else None,
        "version": version_of(record.state, record.round, standing, coordinator, record.settled, made is None),
    }


def model(record: Model, describe: Describe, names: Mapping[str, str], speak: Speak) -> JsonObject:
    """A model: what was learned, in the words of its kind of task; protections, lineage."""
    lineage = record.lineage
    found = describe(record, names)
    learned = (
        {"result": dict(record.result)} if found is None else found.facts | {"described": _described(found, speak)}
    )
    return {
        "id": record.id,
        "digest": record.digest,
        "created": record.created,
        "task": record.task,
        "task_digest": record.task_digest,
        "rows": record.rows,
        "rounds": record.rounds,
        **learned,
        "sites": attendance.of_model(lineage, names, speak),
        **_opened(record),
        "protections": [text.render(speak) for text in _protections(lineage.protection, found)],
        "lineage": {
            "run": lineage.run,
            "agreements": _agreements(lineage),
            "sites": list(lineage.sites),
            "asked": list(lineage.asked or lineage.sites),
            "missing": [attendance.lost(fault) for fault in lineage.missing],
            "protection": lineage.protection,
            "coordinator": lineage.coordinator or None,
            "rounds": [
                {
                    "round": past.round,
                    "step": past.step,
                    "question": past.question,
                    "answers": [{"site": a.site, "release": a.release, "digest": a.digest} for a in past.answers],
                }
                for past in lineage.rounds
            ],
        },
    }


def exported_model(record: Model, owner: str) -> JsonObject:
    """A model as an auditor is shown it (`runs.masked.proof.ModelFile`)."""
    return {
        "format": "medspace-model-1",
        "origin": owner,
        "run": record.lineage.run,
        "created": record.created,
        "task": record.task,
        "result": record.result,
        "rows": record.rows,
        "sites": list(record.lineage.sites),
        "digest": record.digest,
        "manifest": record.lineage.manifest,
    }


def _opened(record: Model) -> JsonObject:
    """What the sites of a masked run signed of it: the objective of each question and who took part."""
    opened = record.result.get("opened")
    if not opened:
        return {}
    outcome = opened["outcome"]
    questions = [
        {"question": number, "objective": objective or None, "sites": sites}
        for number, (objective, sites) in enumerate(zip(outcome["objectives"], outcome["took"], strict=False), 1)
    ]
    return {"opened": {"digest": opened["digest"], "signed": sorted(opened["signed"]), "questions": questions}}


def _protections(protection: str, found: Description | None) -> Iterator[Text]:
    """What the protection of a run kept from whom; what left a hospital by itself all the same."""
    yield Text(PROTECTIONS.get(protection, protection))
    if protection == MASKED_SUMS and found is not None and found.quality is not None and len(found.quality.rows) > 1:
        yield Text(OWN_QUALITY)


def _described(found: Description, speak: Speak) -> JsonObject:
    """A description as people read it."""
    tables = {"coefficients": found.coefficients, "quality": found.quality}
    return {
        "title": found.title.render(speak),
        "sentences": [text.render(speak) for text in found.sentences],
        **{name: None if shown is None else _table(shown, speak) for name, shown in tables.items()},
    }


def _agreements(lineage: Lineage) -> list[str]:
    """Those of the sites, in their order; they are kept in the order in which sites were asked."""
    asked = [site for site in lineage.asked or lineage.sites if site in lineage.sites]
    of = dict(zip(asked, lineage.agreements, strict=False))
    return [of[site] for site in lineage.sites if site in of]


def forecast(task: JsonObject, found: Forecast, speak: Speak) -> JsonObject:
    """What a run would cost and find, with its task as it would be."""
    said = [text.render(speak) for text in found.sentences]
    table = None if found.table is None else _table(found.table, speak)
    return {"task": task, **found.facts, "described": {"sentences": said, "table": table}}


def _table(shown: Table, speak: Speak) -> JsonObject:
    rows = [[cell.render(speak) if isinstance(cell, Text) else cell for cell in row] for row in shown.rows]
    return {"columns": [column.render(speak) for column in shown.columns], "rows": rows}
