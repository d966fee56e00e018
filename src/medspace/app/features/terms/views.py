"""Offers, negotiations, agreements and decisions as JSON, for people and programs."""

from collections.abc import Mapping

from medspace.app.doors.views import Speak, contract, problem, trouble, version_of
from medspace.app.features.terms.searching import Catalogues, label
from medspace.app.node.retelling import rendered
from medspace.connector.catalogue.facets import FoundDatasets, name_of
from medspace.connector.model import Agreement, Dataset, Negotiation
from medspace.connector.negotiation.messages import NEGOTIATION
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.decision import Decision
from medspace.core.errors import MedspaceError
from medspace.policy.masks import MaskingTerms
from medspace.policy.odrl import REPLACES


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
        "replaces": (record.agreement or record.offer).get(REPLACES),
        "created": record.created,
        "updated": record.updated,
        "asked_by": record.asked_by,
        "approved_by": list(record.approved_by),
        "moved_by": record.moved_by,
        "second_person": record.alone,
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
        "asked_by": record.asked_by,
        "approved_by": list(record.approved_by),
        "in_force": in_force,
        "used_up": used_up,
        "contract": contract(record.policy, speak),
        "replaces": record.policy.get(REPLACES),
        "policy": record.policy,
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


def masks(promised: MaskingTerms | None, speak: Speak) -> JsonObject | None:
    """What masks guarantee: the fewest hospitals of a run, and how many others may disclose what they see."""
    if promised is None:
        return None
    return {
        "sites": promised.sites,
        "colluders": promised.colluders,
        "sentence": promised.promise.render(speak),
    }


def catalogue(found: FoundDatasets, catalogues: Catalogues, names: Mapping[str, str], speak: Speak) -> JsonObject:
    """One page of what a search finds, how many there are in all, the facets, and who was not searched in full."""
    return {
        "datasets": list(found.page),
        "total": found.total,
        "next": name_of(found.page[-1]) if found.more else "",
        "read": stamp(catalogues.read),
        "problems": [unheard(did, error, speak) for did, error in catalogues.unheard],
        "facets": {
            facet: [
                {
                    "value": one.value,
                    "label": label(facet, one.value, names, speak),
                    "count": one.count,
                    "chosen": one.chosen,
                }
                for one in values
            ]
            for facet, values in found.facets.items()
        },
    }


def unheard(participant: str, error: MedspaceError, speak: Speak) -> JsonObject:
    """Why the catalogue of a participant is not among those that were searched, or not in full."""
    told = {"code": error.code, "sentence": rendered(error.text, speak), "next_step": error.advice.render(speak)}
    return {"participant": participant, **told, "exit_code": error.exit_code}
