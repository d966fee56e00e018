"""The pages of the catalogue, of datasets, and of contracts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from medspace.app.doors.cli.naming import TYPES
from medspace.app.doors.portal.inquiry import InquiryError, QueryValue
from medspace.app.doors.portal.visit import ROOT, PortalVisit
from medspace.app.features.terms import policy_pages
from medspace.app.features.terms.api import LONGEST_SEARCH, MOST_CHOSEN
from medspace.app.node.lists import LARGEST_PAGE
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.connector.errors import UnknownAgreementError
from medspace.connector.usage.causes import CAUSES
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.text import counted, msgid
from medspace.policy.purposes import VOCABULARY

READERS = (Scope.READ, Scope.TERMS)
FINDERS = (Scope.READ, Scope.TERMS, Scope.USE)
PAGE, MOST_FOUND = 50, 20
AGE = 60  # seconds for which catalogues that were read are searched again
MOST_VALUES = 12  # of a facet
LONGEST = 512
ANSWERED = {"provider": ("REQUESTED", "ACCEPTED"), "consumer": ("OFFERED",)}
WISHES = ("dataset", "participant", "offer", "agreement", "user", "purpose", "place", "format", "at")
HEADINGS = {
    "holder": msgid("Held by"),
    "region": msgid("Region"),
    "kind": msgid("What may be done"),
    "purpose": msgid("For which purpose"),
    "column": msgid("Columns"),
    "concept": msgid("Concepts"),
    "until": msgid("Offered until"),
    "size": msgid("How many patients"),
}
FORMATS = (
    ("medspace:train", msgid("train a model")),
    ("medspace:statistics", msgid("compute statistics together")),
    ("HttpData-PULL", msgid("download rows")),
)


@dataclass(frozen=True, slots=True)
class CatalogueChoice:
    """What is looked for in the catalogue: words, and values of facets."""

    search: str
    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, query: QueryParams) -> "CatalogueChoice":
        """What an address says."""
        values = {name: tuple(dict.fromkeys(query.getlist(name)))[:MOST_CHOSEN] for name in HEADINGS}
        return cls(query.get("search", "")[:LONGEST_SEARCH], {name: found for name, found in values.items() if found})

    def address(self, **more: str) -> str:
        """The page of this choice."""
        return f"{ROOT}/catalogue?{urlencode({'search': self.search, **self.values, **more}, doseq=True)}"

    def link(self, name: str, one: JsonObject) -> JsonObject:
        """A value of a facet with the page that has it chosen, or not any more."""
        held = self.values.get(name, ())
        kept = tuple(value for value in held if value != one["value"])
        changed = kept if one["chosen"] else (*held, one["value"])
        return one | {"href": CatalogueChoice(self.search, {**self.values, name: changed}).address()}


async def catalogue(visit: PortalVisit) -> Response:
    """What all members offer: words, and what the datasets have in common as links, each with how many have it."""
    chosen = CatalogueChoice.of(visit.request.query_params)
    age = 0 if visit.query("again") else AGE
    query: dict[str, QueryValue] = {**chosen.values, "search": chosen.search, "after": visit.query("after")}
    found = await visit.get("/catalog", **query, limit=MOST_FOUND, facets=MOST_VALUES, age=age)
    facets = [
        {"name": name, "heading": heading, "values": [chosen.link(name, one) for one in found["facets"][name]]}
        for name, heading in HEADINGS.items()
    ]
    further = chosen.address(after=found["next"]) if found["next"] else ""
    return visit.page(
        "terms/catalogue.html",
        found=found,
        chosen=chosen,
        facets=facets,
        further=further,
        names=await visit.names(),
    )


async def dataset(visit: PortalVisit) -> Response:
    """One dataset: its columns, its terms in words, what one may do next."""
    participant, name = visit.query("participant"), visit.query("dataset")
    found = await visit.get(path("show", name), participant=participant)
    types = {code: visit.speak(word) for code, word in TYPES.items()}
    return visit.page("terms/dataset.html", one=found, types=types)


async def tried(visit: PortalVisit) -> Response:
    """Would a use be allowed, which clause decides, what would change the answer: of an offer or of an agreement."""
    wish = {name: visit.query(name)[:LONGEST] for name in WISHES}
    facts: JsonObject = {"wish": wish, "names": await visit.names(), "formats": FORMATS, "purposes": _purposes(visit)}
    if not visit.query("format"):
        return visit.page("terms/try.html", answer=None, **facts)
    try:
        answer = await visit.post("/policy/try", wish)
    except InquiryError as error:
        return visit.refused("terms/try.html", error, answer=None, **facts)
    return visit.page("terms/try.html", answer=answer, **facts)


def _purposes(visit: PortalVisit) -> list[tuple[str, str]]:
    return [(one.name, visit.speak(one.words)) for one in VOCABULARY]


async def could(visit: PortalVisit) -> Response:
    """Whose data one could use in a way that one describes."""
    wish = {name: visit.query(name)[:LONGEST] for name in ("use", "purpose", "place", "search")}
    facts: JsonObject = {"wish": wish, "names": await visit.names(), "formats": FORMATS, "purposes": _purposes(visit)}
    if not wish["use"]:
        return visit.page("terms/could.html", found=None, **facts)
    try:
        found = await visit.get("/catalog/could", **wish)
    except InquiryError as error:
        return visit.refused("terms/could.html", error, found=None, **facts)
    return visit.page("terms/could.html", found=found, **facts)


async def renewal(visit: PortalVisit) -> Response:
    """What would differ under an offer that the holder makes now."""
    found = await visit.get(path("renewals", visit.query("id")))
    return visit.page("terms/renewal.html", found=found, may_sign=visit.may(Scope.TERMS))


async def renew(visit: PortalVisit) -> Response:
    """Propose a new agreement on the terms that were on the page, beside the one before or in its place."""
    body = {"seen": visit.field("seen"), "offer": visit.field("offer")}
    way = "renewals" if visit.field("way") == "renew" else "amendments"
    begun = await visit.post(path(way, visit.field("id")), body)
    return visit.go("/contracts/negotiation", {"id": str(begun["id"])})


async def negotiate(visit: PortalVisit) -> Response:
    """Ask for an agreement: it binds both once the holder agrees."""
    body = {name: visit.field(name) for name in ("participant", "dataset", "offer")}
    begun = await visit.post("/negotiations", body)
    return visit.go("/contracts/negotiation", {"id": str(begun["id"])})


async def contracts(visit: PortalVisit) -> Response:
    """What waits, what is in force, what goes on, what is over: each with whose move it is."""
    negotiations, _ = await visit.trying("/negotiations", "negotiations", limit=PAGE)
    agreements = await visit.get("/agreements", limit=PAGE, after=visit.query("after"))
    waiting = [one for one in negotiations or () if waits(one)]
    facts: JsonObject = {"waiting": waiting, "agreements": agreements, "names": await visit.names()}
    facts["negotiations"] = [one for one in negotiations or () if not waits(one)]
    return visit.page("terms/contracts.html", **facts)


async def agreement(visit: PortalVisit) -> Response:
    """One agreement in words, with what is new in it, and how it was used."""
    one, before = await _agreement(visit, visit.query("id"))
    return visit.page("terms/agreement.html", one=one, before=before, names=await visit.names(), causes=CAUSES)


async def end(visit: PortalVisit) -> Response:
    """End an agreement, for good."""
    ended = visit.field("id")
    try:
        body = {"reason": visit.field("reason"), "cause": visit.field("cause")}
        await visit.post(path("agreements", ended, "end"), body)
    except InquiryError as error:
        one, before = await _agreement(visit, ended)
        facts = {"one": one, "before": before, "names": await visit.names(), "causes": CAUSES}
        return visit.refused("terms/agreement.html", error, **facts)
    return visit.go("/contracts/agreement", {"id": ended})


async def _agreement(visit: PortalVisit, wanted: str) -> tuple[JsonObject, JsonObject | None]:
    """An agreement, and the one on the same dataset with the same party that came before it."""
    after = ""
    while True:
        page = await visit.get("/agreements", limit=LARGEST_PAGE, after=after)
        found = [one for one in page["agreements"] if one["id"] == wanted]
        if found:
            return found[0], await _before(visit, found[0])
        if not page["next"]:
            raise UnknownAgreementError(agreement=wanted[:LONGEST])
        after = page["next"]


async def _before(visit: PortalVisit, one: JsonObject) -> JsonObject | None:
    return await _earlier(visit, one, one["id"], one["finalized"])


async def _earlier(visit: PortalVisit, one: JsonObject, own: str | None, when: str) -> JsonObject | None:
    """The newest agreement before `when` on the dataset of a contract with the same party, other than its `own`."""
    page = await visit.get("/agreements", limit=LARGEST_PAGE, dataset=one["dataset"], role=one["role"])
    earlier: list[JsonObject] = [
        other
        for other in page["agreements"]
        if other["counterparty"] == one["counterparty"] and other["id"] != own and other["finalized"] < when
    ]
    return earlier[0] if earlier else None


async def negotiation(visit: PortalVisit) -> Response:
    """One negotiation, live until it is over."""
    return visit.page("terms/negotiation.html", **await _negotiation(visit, visit.query("id")))


async def _negotiation(visit: PortalVisit, pid: str) -> JsonObject:
    found = await visit.get(path("negotiations", pid))
    before = await _earlier(visit, found, found["agreement"], found["updated"])
    return {"one": found, "before": before, "waits": waits(found), "names": await visit.names()}


def waits(one: JsonObject) -> bool:
    """Whether a negotiation waits for a person here: other moves of ours the connector makes by itself."""
    return one["state"] in ANSWERED[one["role"]]


async def answer(visit: PortalVisit) -> Response:
    """Sign and bind, or refuse."""
    pid = visit.field("id")
    body = {"approve": visit.field("decision") == "approve", "reason": visit.field("reason")}
    body["seen"] = visit.field("seen")
    try:
        await visit.post(path("negotiations", pid, "answer"), body)
    except InquiryError as error:
        return visit.refused("terms/negotiation.html", error, **await _negotiation(visit, pid))
    return visit.go("/contracts/negotiation", {"id": pid})


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """Negotiations that wait for a decision here."""
    found = await visit.get("/negotiations", limit=PAGE)
    waiting = [one for one in found["negotiations"] if waits(one)]
    if not waiting:
        return ()
    told = counted(len(waiting), msgid("{count} contract waits for you"), msgid("{count} contracts wait for you"))
    only = f"/contracts/negotiation?id={quote(str(waiting[0]['id']))}"
    return (HomeNotice(told, "/contracts" if len(waiting) > 1 else only, "wait"),)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(
        PortalPage("/catalogue", catalogue, FINDERS),
        PortalPage("/catalogue/dataset", dataset, FINDERS),
        PortalPage("/catalogue/try", tried, FINDERS),
        PortalPage("/policies", policy_pages.policies, FINDERS),
        PortalPage("/catalogue/could", could, FINDERS),
        PortalPage("/contracts/renewal", renewal, FINDERS),
        PortalPage("/contracts", contracts, FINDERS),
        PortalPage("/contracts/agreement", agreement, FINDERS),
        PortalPage("/contracts/negotiation", negotiation, READERS, islands=("vendor/htmx.min.js",)),
    ),
    actions=(
        PortalAction("/policies/evaluate", policy_pages.evaluate, FINDERS, largest=policy_pages.LARGEST_FORM),
        PortalAction("/policies/check", policy_pages.check, FINDERS, largest=policy_pages.LARGEST_FORM),
        PortalAction("/contracts/negotiate", negotiate, (Scope.TERMS,), confirmed=True),
        PortalAction("/contracts/renew", renew, (Scope.TERMS,), confirmed=True),
        PortalAction("/contracts/answer", answer, (Scope.TERMS,), confirmed=True),
        PortalAction("/contracts/end", end, (Scope.TERMS,), confirmed=True),
    ),
    remedies=(
        PortalRemedy("policy.malformed", "/policies", msgid("To the policies"), FINDERS),
        PortalRemedy("policy.member_twice", "/policies", msgid("To the policies"), FINDERS),
        PortalRemedy("policy.turtle", "/policies", msgid("To the policies"), FINDERS),
        PortalRemedy("policy.cycle", "/policies", msgid("To the policies"), FINDERS),
        PortalRemedy("policy.too_large", "/policies", msgid("To the policies"), FINDERS),
        PortalRemedy("policy.", "/contracts", msgid("To the contracts"), FINDERS),
        PortalRemedy("agreement.", "/contracts", msgid("To the contracts"), FINDERS),
        PortalRemedy("negotiation.", "/contracts", msgid("To the contracts"), FINDERS),
        PortalRemedy("catalog.", "/catalogue", msgid("Find data"), FINDERS),
    ),
    menu=(
        MenuEntry(
            "/catalogue", msgid("Catalogue"), "c", "data", FINDERS, msgid("What members offer, on which terms.")
        ),
        MenuEntry(
            "/contracts", msgid("Contracts"), "n", "contracts", FINDERS, msgid("Who agreed to what, until when.")
        ),
        MenuEntry(
            "/policies",
            msgid("Policies"),
            "y",
            "contracts",
            FINDERS,
            msgid("What a policy allows, and what clashes."),
        ),
    ),
    notices=notices,
)
