"""Finding what others offer: resolve a participant, page through its catalogue, show what can be agreed to."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from medspace.connector import wire
from medspace.connector.catalogue import figures
from medspace.connector.catalogue.pace import paced
from medspace.connector.catalogue.pages import MOST_VALUES, HeavyPageError, PeerPage, UnreadablePageError
from medspace.connector.catalogue.rules import DICTIONARY, DIGEST, FIGURES, PERSONS
from medspace.connector.dispatch.rules import skew_told
from medspace.connector.errors import MessageError, UnknownDatasetError, UnreachableError
from medspace.connector.ports import Pages, Reply
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError, RefusedError, WaitingError
from medspace.core.paths import path
from medspace.core.text import Fact, Text, msgid
from medspace.policy.contexts import governed
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.spelling import respelled
from medspace.trust.errors import DocumentError
from medspace.trust.model import DidDocument
from medspace.trust.ports import Documents

Unheard: TypeAlias = tuple[str, MedspaceError]  # a participant whose catalogue is not there, and why
CATALOG = "/catalog"
VERSIONS = "/.well-known/dspace-version"
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){0,16}/?")
_REQUEST = {"@context": [wire.CONTEXT], "@type": "CatalogRequestMessage"}
OK = 200
NOT_FOUND = 404
UNPROVEN = (401, 403)
FAILING = 500  # and above: a server error, which may pass (RFC 9110 15.6)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of one catalogue is read, and how many are read at once.

    Sizes in bytes; `seconds` covers all pages.
    """

    page: int = 4 << 20
    total: int = 32 << 20
    pages: int = 500
    datasets: int = 20_000
    seconds: float = 60.0
    at_once: int = 2


class NoConnectorError(RefusedError):
    """A participant's DID document does not name a catalogue."""

    code = "find.no_connector"
    sentence = msgid("{did} has no connector that could be asked: {reason}.")
    next_step = msgid("Check the DID, and that the participant's connector runs.")


class AwayError(WaitingError):
    """Nothing answers at the address of a participant's connector; it may come back."""

    code = "find.away"
    sentence = msgid("{did} does not answer: {reason}.")
    next_step = msgid("Check the DID, and try again when the participant's connector runs.")


class UnreadyError(AwayError):
    """A participant's connector answers but cannot serve requests now: it may not be a member yet, or be failing."""

    code = "find.unready"
    sentence = msgid("{did} cannot serve anybody now (HTTP {status}): {reason}")
    next_step = msgid(
        "Try again later; a new participant must be admitted by the authority first (`medspace admit`)."
    )


class CatalogRefusedError(RefusedError):
    """A participant refuses to show its catalogue."""

    code = "find.refused"
    sentence = msgid("{did} does not show its catalogue (HTTP {status}): {reason}")
    next_step = msgid("Both of you must be members of the space; see `medspace members`.")


class ClockError(WaitingError):
    """A participant rejects our identity, and its clock differs from ours."""

    code = "find.clock"
    sentence = msgid("{did} does not recognise this connector ({code}). {told}")
    next_step = msgid("Set the clocks right (NTP): `medspace doctor` compares yours with those of the others.")


class RulelessError(RefusedError):
    """An offer of another participant contains no rules."""

    code = "find.ruleless"
    sentence = msgid("Nobody can agree to this offer: it permits nothing and prohibits nothing.")
    next_step = msgid("Ask the provider to publish an offer with a permission, or choose another offer.")


class CatalogTooLargeError(RefusedError):
    """A catalogue is larger than this connector is willing to read."""

    code = "find.too_large"
    sentence = msgid("The catalogue of {did} is larger than this connector reads: {reason}.")
    next_step = msgid(
        "Ask its holder to offer less at once; a dataset whose id you know can be negotiated all the same."
    )


class Finder:
    """Asks other connectors for their catalogues; `transport` limits each page to `budget.page`."""

    def __init__(self, documents: Documents, transport: Pages, budget: Budget | None = None, *, clock: Clock) -> None:
        self._documents = documents
        self._transport = transport
        self._budget = budget or Budget()
        self._turns = asyncio.Semaphore(self._budget.at_once)
        self._clock = clock

    async def address(self, did: str) -> str:
        """The protocol base URL of a participant.

        Raises:
            NoConnectorError: its DID document names no catalogue, or there is no document.
            AwayError: nothing answers where its DID document should be.
        """
        try:
            document = await self._documents.document(did)
        except (DocumentError, UnreachableError) as error:
            raise not_found(did, error) from error
        versions = versions_url(document)
        return catalog_base(document) if versions is None else await self._versioned(did, versions)

    async def _versioned(self, did: str, url: str) -> str:
        """The protocol base URL that a version document names (DSP 2025-1, Common 4.3); it may be below a path."""
        try:
            reply = self._checked(did, await self._transport.get(url, did))
        except UnreachableError as error:
            raise AwayError(did=did, reason=error.text) from error
        below = protocol_path(reply.body)
        if below is None:
            reason = Text(msgid("its version document names no {version}"), {"version": wire.VERSION})
            raise NoConnectorError(did=did, reason=reason)
        return url.removesuffix(VERSIONS) + below

    async def catalog(self, did: str) -> list[JsonObject]:
        """All datasets of a participant, as people choose them (`listed`); offers and dictionary are not decoded yet.

        The catalogue is read page by page, and only these fields of a page are kept: a decoded page is many times
        larger.

        Raises:
            NoConnectorError, CatalogRefusedError, UnreachableError: it does not answer.
            CatalogTooLargeError: it is larger than the budget allows.
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
            reply = await self._transport.page(url, _REQUEST, did)
            size += reply.size
            if size > budget.total:
                raise self._too_much(did)
            found += await self._shown(did, reply, budget.datasets - len(found))
            url = reply.following
        if url is not None:
            reason = Text(msgid("more than {count} pages"), {"count": budget.pages})
            raise CatalogTooLargeError(did=did, reason=reason)

    async def _shown(self, did: str, reply: Reply, most: int) -> list[JsonObject]:
        """The datasets of one page, at most `most` of them."""
        if not reply.packed:
            raise self._refused(did, reply)
        try:
            page = PeerPage(reply.packed)
            if len(page) > most:
                raise self._too_much(did)
            return await paced(_packed(listed(did, entry)) for entry in page)
        except UnreadablePageError:
            raise self._refused(did, reply) from None
        except HeavyPageError:
            reason = Text(msgid("one dataset holds more than {count} values"), {"count": MOST_VALUES})
            raise CatalogTooLargeError(did=did, reason=reason) from None

    def _too_much(self, did: str) -> CatalogTooLargeError:
        most: dict[str, Fact | Text] = {"size": self._budget.total, "count": self._budget.datasets}
        return CatalogTooLargeError(did=did, reason=Text(msgid("more than {size} bytes or {count} datasets"), most))

    async def dataset(self, did: str, dataset: str) -> JsonObject:
        """One dataset of a participant.

        Raises:
            UnknownDatasetError: it has no such dataset.
            AwayError, CatalogRefusedError: it does not answer now, or refuses us.
        """
        base = await self.address(did)
        reply = await self._transport.get(f"{base}{CATALOG}" + path("datasets", dataset), did)
        if reply.status == NOT_FOUND:
            raise UnknownDatasetError(dataset=dataset)
        return dict(self._checked(did, reply).body)

    async def everywhere(self, dids: Iterable[str]) -> tuple[list[JsonObject], list[Unheard]]:
        """The datasets of all these participants, and the problems of those that did not answer."""
        wanted = list(dids)
        answers = await asyncio.gather(*(self.catalog(did) for did in wanted), return_exceptions=True)
        datasets: list[JsonObject] = []
        problems: list[Unheard] = []
        for did, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, MedspaceError):
                problems.append((did, answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                datasets += answer
        return datasets, problems

    def _checked(self, did: str, reply: Reply) -> Reply:
        if reply.status == OK and isinstance(reply.body, dict):
            return reply
        raise self._refused(did, reply)

    def _refused(self, did: str, reply: Reply) -> MedspaceError:
        stated = wire.stated_reason(reply.body)
        if reply.status >= FAILING:
            return UnreadyError(did=did, status=reply.status, reason=" ".join((stated.code, *stated.reason)))
        told = skew_told(reply.date, self._clock.now()) if reply.status in UNPROVEN else None
        if told is not None:
            return ClockError(did=did, code=stated.code, told=told)
        return CatalogRefusedError(did=did, status=reply.status, reason=" ".join((stated.code, *stated.reason)))


def not_found(did: str, error: MedspaceError) -> MedspaceError:
    """Why a participant's DID document was not found: nothing answers, or what answers is not the document."""
    causes = (error, error.__cause__)
    away = next((cause for cause in causes if isinstance(cause, UnreachableError)), None)
    return NoConnectorError(did=did, reason=error.text) if away is None else AwayError(did=did, reason=away.text)


def catalog_base(document: DidDocument) -> str:
    """The protocol base URL in a DID document: the endpoint of its catalogue service without `/catalog`.

    Raises:
        NoConnectorError: it names none.
    """
    for service in document.services:
        if service.endpoint.endswith(CATALOG):
            return service.endpoint.removesuffix(CATALOG)
    raise NoConnectorError(did=document.id, reason=msgid("its DID document names no catalogue"))


def versions_url(document: DidDocument) -> str | None:
    """The URL of the version document that a DID document names, None where it names a catalogue directly."""
    endpoints = [service.endpoint for service in document.services]
    if any(endpoint.endswith(CATALOG) for endpoint in endpoints):
        return None
    return next((endpoint for endpoint in endpoints if endpoint.endswith(VERSIONS)), None)


def protocol_path(versions: JsonObject) -> str | None:
    """The path of this protocol version over HTTPS in a version document, None where there is none."""
    for entry in _list(versions, "protocolVersions"):
        if isinstance(entry, dict) and entry.get("version") == wire.VERSION:
            below, binding = entry.get("path"), entry.get("binding", "HTTPS")
            if binding == "HTTPS" and isinstance(below, str) and _PATH.fullmatch(below):
                return below.rstrip("/")
    return None


def listed(did: str, dataset: JsonObject) -> JsonObject:
    """A dataset of a catalogue as people choose it.

    `unusable` lists the offers that cannot be agreed to, with the reason.
    """
    context = dataset.get("@context")
    policies = _list(dataset, "hasPolicy", "odrl:hasPolicy", "http://www.w3.org/ns/odrl/2/hasPolicy")
    found = [_usable(governed(offer, context)) for offer in policies if isinstance(offer, dict)]
    distributions = [d for d in _list(dataset, "distribution", "dcat:distribution") if isinstance(d, dict)]
    return {
        "participant": did,
        "id": str(dataset.get("@id", dataset.get("id", ""))),
        "title": _text(dataset, "title") or _text(dataset, "name"),
        "description": _text(dataset, "description"),
        "keywords": [word for each in _list(dataset, "keyword", "dcat:keyword") if (word := _word(each))],
        "formats": [kind for d in distributions if (kind := _text(d, "format"))],
        "offers": [offer for offer, _ in found],
        "unusable": [
            {"offer": str(offer.get("@id", "")), "code": why.code, "sentence": str(why.text)}
            for offer, why in found
            if why is not None
        ],
        "digest": _text(dataset, DIGEST),
        "dictionary": _literal(dataset.get(DICTIONARY)),
        "figures": figures.read(_literal(dataset.get(FIGURES)), dataset.get(PERSONS)),
    }


def ruleless(offer: JsonObject) -> bool:
    """Whether an offer permits and prohibits nothing, so that there is nothing to agree to."""
    return not any(wire.listed(offer.get(name)) for name in ("permission", "prohibition"))


def _usable(offer: JsonObject) -> tuple[JsonObject, MedspaceError | None]:
    """An offer in the protocol's spelling, and why it cannot be agreed to, if so; it then stays as received."""
    try:
        offer = respelled(offer)
    except InvalidPolicyError as error:
        return offer, error
    return offer, RulelessError() if ruleless(offer) else None


def _packed(shown: JsonObject) -> JsonObject:
    """The same with its large parts encoded as JSON text, the form in which it is passed on."""
    return shown | {name: msgspec.Raw(msgspec.json.encode(shown[name])) for name in ("offers", "dictionary")}


def _text(body: JsonObject, name: str) -> str:
    given = (body.get(key) for key in (name, f"dct:{name}", f"edc:{name}"))
    return next((text for value in given if (text := _word(value))), "")


def _word(value: Json) -> str:
    if isinstance(value, dict):
        value = value.get("@value", value.get("@id"))
    return str(value) if isinstance(value, str | int | float) else ""


def _literal(value: Json) -> JsonObject | None:
    found = value.get("@value") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None


def _list(body: Json, *names: str) -> list[Json]:
    """The value of the first of these names that is present, as a list; a single object counts as a list of one."""
    if not isinstance(body, dict):
        raise MessageError(reason=msgid("it is not an object"))
    return wire.listed(next((body[name] for name in names if name in body), None))
