"""Which datasets may be offered, and how the catalogue shows them."""

from collections.abc import Collection, Mapping
from urllib.parse import urlencode

from medspace.connector import wire
from medspace.connector.errors import DatasetIdError, FormError, MessageError, OfferError
from medspace.connector.model import Dataset
from medspace.core.canonical import JsonObject
from medspace.core.material import Form
from medspace.core.text import Fact, Text, msgid
from medspace.policy import odrl
from medspace.policy.actions import points_of
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.rules import enforceable

PAGE = 100
LARGEST_PAGE = 2 << 20  # characters; a single larger dataset gets a page of its own
# Our own terms next to those of DCAT; the dictionary is a JSON literal (JSON-LD 1.1, 4.2.2).
DICTIONARY, DIGEST, FIGURES = "medspace:dictionary", "medspace:digest", "medspace:figures"
PERSONS = "http://healthdataportal.eu/ns/health#numberOfUniqueIndividuals"  # HealthDCAT-AP release 5


def check(dataset: Dataset, available: Collection[str]) -> None:
    """Refuse a dataset that could not be served as its offers promise.

    `available` are the kinds of use (formats) for which there is an engine or a data plane.

    Raises:
        DatasetIdError: other parties could not request it under its identity.
        OfferError: it has no offer or no format, a format that nothing serves, or an offer with a clause that no
            enforcement point can enforce.
    """
    check_id(dataset.id)
    if not dataset.formats or not dataset.offers:
        raise OfferError(reason=Text(msgid("{asset} needs an offer and a format"), {"asset": dataset.id}))
    for kind in dataset.formats:
        if kind not in available:
            raise OfferError(reason=Text(msgid("nothing here serves the format {format}"), {"format": kind}))
    identities = [_check_offer(offer, dataset) for offer in dataset.offers]
    if len(set(identities)) < len(identities):
        raise OfferError(reason=msgid("two offers have one identity"))


def check_form(dataset: Dataset, form: Form, taken: Mapping[str, Collection[Form]]) -> None:
    """Refuse a dataset whose content no engine of one of its formats can take.

    `taken` maps each format to the forms that its engines take; a format that is missing opens no content.

    Raises:
        FormError: which format, and what its engines take.
    """
    for kind in dataset.formats:
        forms = taken.get(kind, ())
        if forms and form not in forms:
            known = ", ".join(sorted(forms))
            raise FormError(asset=dataset.id, form=form.value, format=kind, forms=known)


def check_id(asset: str) -> None:
    """Refuse a text that cannot be the identity of a dataset.

    Raises:
        DatasetIdError: it cannot.
    """
    # An offer's target must be an identifier on the wire, and the dataset's own address ends in its identity: other
    # parties' libraries and proxies treat path segments that consist of dots as folders, even when encoded (RFC 3986
    # 6.2.2.3).
    if not wire.is_identifier(asset):
        reason = Text(msgid("it needs 1 to 256 printable ASCII characters, none of them a space"))
        raise DatasetIdError(asset=asset[:100], reason=reason)
    if {".", ".."} & set(asset.split("/")):
        raise DatasetIdError(asset=asset, reason=Text(msgid("a part between two slashes is only dots")))


def _check_offer(offer: JsonObject, dataset: Dataset) -> str:
    if "target" in offer:
        raise OfferError(reason=msgid("an offer in the catalogue has no target of its own"))
    try:
        strict = wire.offer({"offer": {**offer, "target": dataset.id}})
        decision = enforceable(odrl.parse(strict), points_of(dataset.formats))
    except (MessageError, InvalidPolicyError) as error:
        raise OfferError(reason=error.text) from error
    for premise in decision.failures:
        facts: dict[str, Fact | Text] = {"clause": premise.clause, "asked": premise.asked, "held": premise.held}
        raise OfferError(reason=Text(msgid("nothing can enforce {clause} ({asked} {held})"), facts))
    return str(strict["@id"])


def body(dataset: Dataset, service: str) -> JsonObject:
    """The dcat:Dataset of the catalogue; `service` identifies the data service that gives access."""
    described: JsonObject = {
        "title": dataset.title,
        "description": dataset.description,
        "keyword": list(dataset.keywords),
        DIGEST: dataset.digest,
        DICTIONARY: dataset.dictionary and {"@type": "@json", "@value": dataset.dictionary},
        FIGURES: dataset.figures and {"@type": "@json", "@value": dataset.figures},
        PERSONS: (dataset.figures or {}).get("persons"),
    }
    return {
        "@id": dataset.id,
        "@type": "Dataset",
        **{name: value for name, value in described.items() if value},
        "hasPolicy": [{**offer, "@type": "Offer"} for offer in dataset.offers],
        "distribution": [
            {"@type": "Distribution", "format": kind, "accessService": service} for kind in dataset.formats
        ],
    }


def fitting(datasets: list[Dataset]) -> list[Dataset]:
    """As many of them, starting with the first, as fit on a page."""
    room = LARGEST_PAGE
    for count, dataset in enumerate(datasets):
        room -= len(dataset.body)
        if room < 0:
            return datasets[: max(count, 1)]
    return datasets


def catalogue(participant: str, address: str, bodies: list[str]) -> bytes:
    """The dcat:Catalog around datasets that are already encoded as JSON."""
    frame = wire.encode(
        {
            "@context": [wire.CONTEXT],
            "@id": f"{participant}#catalog",
            "@type": "Catalog",
            "participantId": participant,
            "service": [
                {"@id": service_id(participant), "@type": "DataService", "endpointURL": address},
            ],
        }
    )
    if not bodies:
        return frame
    return frame[:-1] + b',"dataset":[' + ",".join(bodies).encode() + b"]}"


def service_id(participant: str) -> str:
    """The identity of a participant's data service."""
    return f"{participant}#connector"


def links(address: str, datasets: list[Dataset], *, more: bool, earlier: bool) -> str | None:
    """The Link header (RFC 8288) of a page, None where it is the only one."""
    if not datasets:
        return None
    targets = []
    if more:
        targets.append(_link(address, "after", datasets[-1].id, "next"))
    if earlier:
        targets.append(_link(address, "before", datasets[0].id, "previous"))
    return ", ".join(targets) or None


def _link(address: str, side: str, identity: str, relation: str) -> str:
    return f'<{address}/catalog/request?{urlencode({side: identity})}>; rel="{relation}"'
