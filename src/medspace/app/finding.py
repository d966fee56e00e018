"""Finding what others offer: resolve a participant, page through its catalogue, show what can be agreed to."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from medspace.connector import wire
from medspace.connector.catalogue.rules import DICTIONARY, DIGEST
from medspace.connector.errors import MessageError, UnknownDatasetError, UnreachableError
from medspace.connector.ports import Reply, Transport
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import MedspaceError, RefusedError, WaitingError
from medspace.core.text import Fact, Text, msgid
from medspace.trust.errors import DocumentError
from medspace.trust.model import DidDocument
from medspace.trust.ports import Documents

CATALOG = "/catalog"
_REQUEST = {"@context": [wire.CONTEXT], "@type": "CatalogRequestMessage"}
OK = 200
NOT_FOUND = 404
FAILING = 500  # and above: it may pass (RFC 9110 15.6)


@dataclass(frozen=True, slots=True)
class Budget:
    """What is read of one catalogue, and of how many at once; sizes in bytes, `seconds` for all pages together."""

    page: int = 4 << 20
    total: int = 32 << 20
    pages: int = 500
    datasets: int = 20_000
    seconds: float = 60.0
    at_once: int = 2


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


class CatalogTooLargeError(RefusedError):
    """A catalogue is larger than this connector reads."""

    code = "find.too_large"
    sentence = msgid("The catalogue of {did} is larger than this connector reads: {reason}.")
    next_step = msgid(
        "Ask its holder to offer less at once; a dataset whose id you know can be negotiated all the same."
    )


class Finder:
    """Asks other connectors for their catalogues; `transport` bounds each page by `budget.page`."""

    def __init__(self, documents: Documents, transport: Transport, budget: Budget | None = None) -> None:
        self._documents = documents
        self._transport = transport
        self._budget = budget or Budget()
        self._turns = asyncio.Semaphore(self._budget.at_once)

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
        """All datasets of a participant, as people choose them (`listed`), with offers and dictionary still packed.

        It is read page by page, and only this much of a page is kept: a page unpacked is many times its size.

        Raises:
            NoConnectorError, CatalogRefusedError, UnreachableError: it does not answer.
            CatalogTooLargeError: there is more of it than the budget allows.
        """
        url: str | None = await self.address(did) + CATALOG + "/request"
        found: list[JsonObject] = []
        try:
            async with self._turns, asyncio.timeout(self._budget.seconds):
                await self._read(did, url, found)
        except TimeoutError:
            reason = Text(msgid("it takes longer than {seconds} seconds"), {"seconds": int(self._budget.seconds)})
            raise CatalogTooLargeError(did=did, reason=reason) from None
        return found

    async def _read(self, did: str, url: str | None, found: list[JsonObject]) -> None:
        budget, size = self._budget, 0
        for _ in range(budget.pages):
            if url is None:
                return
            reply = _checked(did, await self._transport.post(url, _REQUEST, did))
            size += reply.size
            entries = [entry for entry in _list(reply.body, "dataset") if isinstance(entry, dict)]
            if size > budget.total or len(found) + len(entries) > budget.datasets:
                reason = Text(msgid("more than {size} bytes or {count} datasets"), _most(budget))
                raise CatalogTooLargeError(did=did, reason=reason)
            found += [_packed(listed(did, entry)) for entry in entries]
            url = reply.following
        if url is not None:
            reason = Text(msgid("more than {count} pages"), {"count": budget.pages})
            raise CatalogTooLargeError(did=did, reason=reason)

    async def dataset(self, did: str, dataset: str) -> JsonObject:
        """One dataset of a participant.

        Raises:
            UnknownDatasetError: it has no such dataset.
            AwayError, CatalogRefusedError: it does not answer now, or not us.
        """
        base = await self.address(did)
        reply = await self._transport.get(f"{base}{CATALOG}/datasets/{dataset}", did)
        if reply.status == NOT_FOUND:
            raise UnknownDatasetError(dataset=dataset)
        return dict(_checked(did, reply).body)

    async def everywhere(self, dids: Iterable[str]) -> tuple[list[JsonObject], list[JsonObject]]:
        """The datasets of all these participants, and the problems of those that did not answer."""
        wanted = list(dids)
        answers = await asyncio.gather(*(self.catalog(did) for did in wanted), return_exceptions=True)
        datasets: list[JsonObject] = []
        problems: list[JsonObject] = []
        for did, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, MedspaceError):
                problems.append({"participant": did, "code": answer.code, "sentence": str(answer.text)})
            elif isinstance(answer, BaseException):
                raise answer
            else:
                datasets += answer
        return datasets, problems


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


def _most(budget: Budget) -> dict[str, Fact | Text]:
    return {"size": budget.total, "count": budget.datasets}


def _packed(shown: JsonObject) -> JsonObject:
    """The same with its large parts as JSON text, which is how it goes on."""
    return shown | {name: msgspec.Raw(msgspec.json.encode(shown[name])) for name in ("offers", "dictionary")}


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
