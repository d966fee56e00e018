"""Finding what others offer: resolve a participant, page through its catalogue, show what can be agreed to."""

import asyncio
from collections.abc import Callable, Iterable

from medspace.connector import wire
from medspace.connector.catalogue.rules import DICTIONARY, DIGEST
from medspace.connector.errors import MessageError, UnknownDatasetError, UnreachableError
from medspace.connector.ports import Reply, Transport
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import MedspaceError, RefusedError, WaitingError
from medspace.core.paths import path
from medspace.core.text import msgid
from medspace.trust.errors import DocumentError
from medspace.trust.model import DidDocument
from medspace.trust.ports import Documents

CATALOG = "/catalog"
MOST_PAGES = 1000
_REQUEST = {"@context": [wire.CONTEXT], "@type": "CatalogRequestMessage"}
OK = 200
NOT_FOUND = 404
FAILING = 500  # and above: it may pass (RFC 9110 15.6)


class NoConnectorError(RefusedError):
    """A participant's DID document names no catalogue."""

    code = "find.no_connector"
    sentence = msgid("{did} has no connector that could be asked: {reason}.")
    next_step = msgid("Check the DID, and that the participant's connector runs.")


class AwayError(WaitingError):
    """Nobody answers where a participant's connector should be: it may come back."""

    code = "find.away"
    sentence = msgid("{did} does not answer: {reason}.")
    next_step = msgid("Check the DID, and try again when the participant's connector runs.")


class CatalogRefusedError(RefusedError):
    """A participant does not show its catalogue."""

    code = "find.refused"
    sentence = msgid("{did} does not show its catalogue (HTTP {status}): {reason}")
    next_step = msgid("Both of you must be members of the space; see `medspace members`.")


class Finder:
    """Asks other connectors for their catalogues."""

    def __init__(self, documents: Documents, transport: Transport) -> None:
        self._documents = documents
        self._transport = transport

    async def address(self, did: str) -> str:
        """The protocol base of a participant.

        Raises:
            NoConnectorError: its DID document names no catalogue, or there is no document.
            AwayError: nobody answers where its DID document should be.
        """
        try:
            document = await self._documents.document(did)
        except (DocumentError, UnreachableError) as error:
            raise not_found(did, error) from error
        return catalog_base(document)

    async def catalog(self, did: str) -> list[JsonObject]:
        """All datasets of a participant, as it publishes them (dcat:Dataset).

        Raises:
            NoConnectorError, CatalogRefusedError, UnreachableError: it does not answer.
        """
        url: str | None = await self.address(did) + CATALOG + "/request"
        found: list[JsonObject] = []
        for _ in range(MOST_PAGES):
            if url is None:
                break
            reply = _checked(did, await self._transport.post(url, _REQUEST, did))
            found += [entry for entry in _list(reply.body, "dataset") if isinstance(entry, dict)]
            url = reply.following
        return found

    async def dataset(self, did: str, dataset: str) -> JsonObject:
        """One dataset of a participant.

        Raises:
            UnknownDatasetError: it has no such dataset.
            AwayError, CatalogRefusedError: it does not answer now, or not us.
        """
        base = await self.address(did)
        reply = await self._transport.get(f"{base}{CATALOG}" + path("datasets", dataset), did)
        if reply.status == NOT_FOUND:
            raise UnknownDatasetError(dataset=dataset)
        return dict(_checked(did, reply).body)

    async def everywhere(self, dids: Iterable[str]) -> tuple[list[JsonObject], list[JsonObject]]:
        """The datasets of all these participants, and the problems of those that did not answer."""
        wanted = list(dids)
        answers = await asyncio.gather(*(self._listed(did) for did in wanted), return_exceptions=True)
        datasets: list[JsonObject] = []
        problems: list[JsonObject] = []
        for did, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, MedspaceError):
                told = {"code": answer.code, "sentence": str(answer.text), "next_step": str(answer.advice)}
                problems.append({"participant": did, **told})
            elif isinstance(answer, BaseException):
                raise answer
            else:
                datasets += answer
        return datasets, problems

    async def _listed(self, did: str) -> list[JsonObject]:
        return [listed(did, dataset) for dataset in await self.catalog(did)]


def not_found(did: str, error: MedspaceError) -> MedspaceError:
    """Why a participant's DID document is not there: nobody answers, or what answers is not the document."""
    causes = (error, error.__cause__)
    away = next((cause for cause in causes if isinstance(cause, UnreachableError)), None)
    return NoConnectorError(did=did, reason=error.text) if away is None else AwayError(did=did, reason=away.text)


def catalog_base(document: DidDocument) -> str:
    """The protocol base in a DID document: the endpoint of its catalogue service without `/catalog`.

    Raises:
        NoConnectorError: it names none.
    """
    for service in document.services:
        if service.endpoint.endswith(CATALOG):
            return service.endpoint.removesuffix(CATALOG)
    raise NoConnectorError(did=document.id, reason=msgid("its DID document names no catalogue"))


def listed(did: str, dataset: JsonObject) -> JsonObject:
    """A dataset of a catalogue as people choose it."""
    return {
        "participant": did,
        "id": str(dataset.get("@id", "")),
        "title": _text(dataset, "title"),
        "description": _text(dataset, "description"),
        "keywords": [str(word) for word in _list(dataset, "keyword")],
        "formats": [str(d.get("format")) for d in _list(dataset, "distribution") if isinstance(d, dict)],
        "offers": [offer for offer in _list(dataset, "hasPolicy") if isinstance(offer, dict)],
        "digest": _text(dataset, DIGEST),
        "dictionary": _literal(dataset.get(DICTIONARY)),
    }


def matching(search: str) -> Callable[[JsonObject], bool]:
    """Whether every word of the search stands in title, description, keywords or id."""
    wanted = search.lower().split()

    def matches(dataset: JsonObject) -> bool:
        text = " ".join((dataset["id"], dataset["title"], dataset["description"], *dataset["keywords"])).lower()
        return all(word in text for word in wanted)

    return matches


def _checked(did: str, reply: Reply) -> Reply:
    if reply.status != OK or not isinstance(reply.body, dict):
        stated = wire.stated_reason(reply.body)
        if reply.status >= FAILING:
            raise AwayError(did=did, reason=stated.code)
        raise CatalogRefusedError(did=did, status=reply.status, reason=" ".join((stated.code, *stated.reason)))
    return reply


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name, body.get(f"dct:{name}", ""))
    return str(value) if isinstance(value, str | int | float) else ""


def _literal(value: Json) -> JsonObject | None:
    found = value.get("@value") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None


def _list(body: Json, name: str) -> list[Json]:
    if not isinstance(body, dict):
        raise MessageError(reason=msgid("it is not an object"))
    value = body.get(name, [])
    return value if isinstance(value, list) else [value]
