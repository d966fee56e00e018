"""The pages of one's own datasets: what is offered, and the way from a file to a published offer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.features.offers.keeping import LARGEST_UPLOAD
from medspace.app.features.offers.plots import bars_of, number
from medspace.app.node.offering.loosening import OfferLoosenedError, OfferMovedError
from medspace.app.node.offering.writing import PURPOSE
from medspace.app.node.pages import MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest
from medspace.core.paths import path
from medspace.core.text import msgid

READERS = (Scope.READ, Scope.TERMS)
KEEPERS = (Scope.TERMS,)
PAGE = 50
FORM_BYTES = 64 * 1024  # what stands around a file
LARGEST_TABLE_FORM = 1 << 20
KEYS = ("unit", "description", "minimum", "maximum", "missing", "written", "century")
CHANGES = ("until", "count", "min_sites", "questions", "publish")
PUBLISHED = {
    "nothing": (),
    "size": ("size",),
    "missing": ("missing",),
    "both": ("size", "missing"),
}  # as the form says it


def _of(pid: str, part: str) -> str:
    return path("offer-drafts", pid, part)


def _dataset(name: str, part: str = "") -> str:
    return path("offers", name, part) if part else path("offers", name)


# --- what is offered ------------------------------------------------------------------------------------------------
async def mine(visit: PortalVisit) -> Response:
    """All of one's own datasets, and the offers that are being drafted."""
    found = await visit.get("/offers", limit=PAGE, after=visit.query("after"))
    drafts = (await visit.get("/offer-drafts"))["drafts"] if visit.may(Scope.TERMS) else []
    return visit.page("offers/mine.html", found=found, drafts=drafts, keeper=visit.may(Scope.TERMS))


async def own(visit: PortalVisit) -> Response:
    """One of them: how it stands, its contract, what one may do with it."""
    found = await visit.get(_dataset(visit.part("dataset")))
    return visit.page("offers/own.html", one=found, keeper=visit.may(Scope.TERMS), fresh=visit.query("done"))


# --- a new one ------------------------------------------------------------------------------------------------------
def _begin(visit: PortalVisit) -> dict[str, Any]:
    return {"owner": visit.may(), "most": LARGEST_UPLOAD >> 20, "source": visit.field("source")}


async def begin(visit: PortalVisit) -> Response:
    """Which file it is."""
    return visit.page("offers/begin.html", **_begin(visit))


def _problem(visit: PortalVisit, sentence: str, next_step: str) -> JsonObject:
    return {"code": "offer.unsaid", "sentence": visit.speak(sentence), "next_step": visit.speak(next_step)}


async def upload(visit: PortalVisit) -> Response:
    """Take the file."""
    if visit.incoming is None:
        problem = _problem(visit, msgid("No file was chosen."), msgid("Choose a CSV or Parquet file."))
        return visit.page("offers/begin.html", status=400, problem=problem, **_begin(visit))
    try:
        made = await visit.send("/offer-drafts", visit.incoming.pieces, name=visit.incoming.name[:512])
    except InquiryError as error:
        return visit.refused("offers/begin.html", error, **_begin(visit))
    return visit.go(f"/offers/draft/{made['id']}/columns")


async def point(visit: PortalVisit) -> Response:
    """Take the path of a file of the connector's machine."""
    try:
        made = await visit.post("/offer-drafts/path", {"source": visit.field("source")})
    except InquiryError as error:
        return visit.refused("offers/begin.html", error, **_begin(visit))
    return visit.go(f"/offers/draft/{made['id']}/columns")


def _columns(visit: PortalVisit, told: JsonObject) -> dict[str, Any]:
    columns = [one | {"plot": bars_of(one)} for one in told["table"]["columns"]]
    table = told["table"] | {"columns": columns}
    return {"one": told, "table": table, "typed": visit.form, "axis": number, "shape": shape_of(told)}


def shape_of(told: JsonObject) -> str:
    """The digest of what the fields of the form are numbered by: the columns, and their codes."""
    return digest([[one["name"], one["type"], list(one["codes"])] for one in told["table"]["columns"]])


async def columns(visit: PortalVisit) -> Response:
    """The drafted dictionary beside a profile of each column."""
    told = await visit.get(_of(visit.part("pid"), "columns"))
    return visit.page("offers/columns.html", **_columns(visit, told))


async def say(visit: PortalVisit) -> Response:
    """Take what was said of the columns; then the terms, or another look."""
    pid, ready = visit.part("pid"), visit.field("then") == "terms"
    told = await visit.get(_of(pid, "columns"))
    if visit.field("shape") != shape_of(told):  # what was typed would be said of other columns
        problem = _problem(
            visit,
            msgid("The table, or what was said of it, has changed since this page was opened."),
            msgid("Nothing was saved. Look at the columns again, and correct them there."),
        )
        fresh = _columns(visit, told) | {"typed": {}}
        return visit.page("offers/columns.html", status=400, problem=problem, **fresh)
    try:
        await visit.post(_of(pid, "columns"), said_of(visit, told) | {"ready": ready})
    except InquiryError as error:
        return visit.refused("offers/columns.html", error, **_columns(visit, told))
    return visit.go(f"/offers/draft/{pid}/{'terms' if ready else 'columns'}")


def said_of(visit: PortalVisit, told: JsonObject) -> JsonObject:
    """What the form says of a table: what was said before, with what differs from what was shown."""
    before = told["said"]
    settings = {name: dict(keys) for name, keys in before["columns"].items()}
    codes = {name: dict(meant) for name, meant in before["codes"].items()}
    leave_out = []
    for at, column in enumerate(told["table"]["columns"]):
        name = column["name"]
        if f"type.{at}" not in visit.form:  # it has no fields: nothing can be said of it
            leave_out += [name] if name in before["leave_out"] else []
            continue
        if f"keep.{at}" not in visit.form:
            leave_out.append(name)
        settings[name] = _settings(visit, at, column, settings.get(name, {}))
        meant = {code: visit.field(f"meaning.{at}.{place}") for place, code in enumerate(column["codes"])}
        codes[name] = {code: words for code, words in meant.items() if words}
    person = visit.field("person")
    return {
        "person": "" if person == "-" else person.removeprefix("="),
        "rows_are_persons": person == "-",
        "leave_out": leave_out,
        "leave_out_rows": visit.fields("leave_out_rows"),
        "columns": {name: keys for name, keys in settings.items() if keys},
        "codes": {name: meant for name, meant in codes.items() if meant},
    }


def _settings(visit: PortalVisit, at: int, column: Mapping[str, Any], before: Mapping[str, str]) -> dict[str, str]:
    kind = visit.field(f"type.{at}")
    if kind != column["type"]:
        return {"type": kind}  # all else was said of the other kind
    settings = dict(before)
    shown = dict(column) | {"missing": ",".join(column["missing_marks"]), "century": settings.get("century", "")}
    for key in KEYS:
        given = visit.field(f"{key}.{at}", str(shown[key]))
        if given == str(shown[key]):
            continue
        if given or key == "missing":
            settings[key] = given
        else:
            settings.pop(key, None)
    return settings


async def terms(visit: PortalVisit) -> Response:
    """Who may, for what, until when, how often, what may leave."""
    return visit.page("offers/terms.html", **await _terms(visit))


async def begin_with(visit: PortalVisit) -> Response:
    """Answer the questions as a template of one's own does."""
    pid = visit.part("pid")
    await visit.post(_of(pid, "template"), {"name": visit.field("name")})
    return visit.go(f"/offers/draft/{pid}/terms")


async def own_terms(visit: PortalVisit) -> Response:
    """The templates of one's own."""
    found = await visit.get("/terms", after=visit.query("after"))
    return visit.page("offers/own_terms.html", found=found, may_keep=visit.may(Scope.TERMS))


async def save_terms(visit: PortalVisit) -> Response:
    """Save the terms of an offer under a name."""
    dataset = visit.part("dataset")
    body = {"dataset": dataset, "offer": _number(visit.field("offer")) or 0, "title": visit.field("title")}
    try:
        await visit.post(path("terms", visit.field("name")), body)
    except InquiryError as error:
        found = await visit.get(_dataset(dataset))
        return visit.refused("offers/own.html", error, one=found, keeper=True, fresh="")
    return visit.go("/offers/terms")


async def remove_terms(visit: PortalVisit) -> Response:
    """Remove a template of one's own."""
    await visit.post(path("terms", visit.field("name"), "remove"))
    return visit.go("/offers/terms")


async def _terms(visit: PortalVisit) -> dict[str, Any]:
    told = await visit.get(_of(visit.part("pid"), "terms"))
    own = await visit.get("/terms")
    return _answers(visit, told) | {"own": own["templates"]}


def _answers(visit: PortalVisit, told: JsonObject) -> dict[str, Any]:
    chosen = told["terms"] | (_chosen(visit) if visit.form else {})
    chosen["who"] = visit.field("who") or ("some" if chosen["recipients"] else "all")
    chosen["where"] = visit.field("where") or ("some" if chosen["regions"] else "all")
    chosen["purposes"] = chosen["purposes"] or ([] if visit.form else [PURPOSE])
    return {"one": told, "chosen": chosen}


def _chosen(visit: PortalVisit) -> JsonObject:
    """The terms as they stand in the form."""
    everybody = visit.field("who") != "some"
    anywhere = visit.field("where") != "some"
    return {
        "title": visit.field("title"),
        "dataset": visit.field("dataset"),
        "template": visit.field("template") or "train-only",
        "purposes": visit.fields("purposes"),
        "recipients": [] if everybody else visit.fields("recipients"),
        "regions": [] if anywhere else visit.fields("regions"),
        "until": visit.field("until"),
        "publish": visit.fields("publish"),
        **{name: visit.field(name) for name in ("count", "questions", "min_sites")},
    }


def _number(text: str) -> int | str | None:
    """A number of a form; what is none is passed on, and refused."""
    return int(text) if text.isdecimal() and len(text) < 10 else text or None  # noqa: PLR2004 - more is refused anyway


def _numbers(said: Mapping[str, Any], names: tuple[str, ...]) -> JsonObject:
    return {name: _number(value) if name in names else value for name, value in said.items()}


async def choose(visit: PortalVisit) -> Response:
    """Take the terms."""
    pid, said = visit.part("pid"), _chosen(visit)
    if (visit.field("who") == "some" and not said["recipients"]) or (
        visit.field("where") == "some" and not said["regions"]
    ):  # an empty list would mean everybody
        problem = _problem(
            visit,
            msgid("You said that only some may use it, and chose none."),
            msgid("Choose the members or places, or let everybody use it."),
        )
        return visit.page("offers/terms.html", status=400, problem=problem, **await _terms(visit))
    try:
        await visit.post(_of(pid, "terms"), _numbers(said, ("count", "questions", "min_sites")))
    except InquiryError as error:
        return visit.refused("offers/terms.html", error, **await _terms(visit))
    return visit.go(f"/offers/draft/{pid}/contract")


async def foreseen(visit: PortalVisit) -> Response:
    """The contract in words, and what it says in four cases."""
    return visit.page("offers/contract.html", one=await visit.get(_of(visit.part("pid"), "foreseen")))


async def publish(visit: PortalVisit) -> Response:
    """Offer it."""
    pid = visit.part("pid")
    try:
        made = await visit.post(_of(pid, "publish"), {"seen": visit.field("seen")})
    except InquiryError as error:
        told = await visit.get(_of(pid, "foreseen"))
        return visit.refused("offers/contract.html", error, one=told)
    return visit.go(f"/offers/own/{quote(str(made['dataset']))}", {"done": "new"})


async def discard(visit: PortalVisit) -> Response:
    """Remove a draft."""
    await visit.post(_of(visit.part("pid"), "discard"))
    return visit.go("/offers")


# --- later ----------------------------------------------------------------------------------------------------------
async def change(visit: PortalVisit) -> Response:
    """Other terms: what they would be, and what that means for agreements that stand."""
    dataset = visit.part("dataset")
    found = await visit.get(_dataset(dataset))
    typed = {name: visit.query(name)[:64] for name in (*CHANGES, "offer")}
    facts: dict[str, Any] = {"one": found, "typed": typed, "told": None}
    if not any(typed[name] for name in CHANGES):
        return visit.page("offers/change.html", **facts)
    try:
        told = await visit.post(_dataset(dataset, "change"), _changes(typed) | {"dry": True})
    except InquiryError as error:
        return visit.refused("offers/change.html", error, **facts)
    return visit.page("offers/change.html", **(facts | {"told": told}))


def _changes(typed: Mapping[str, str]) -> JsonObject:
    said = _numbers(typed, ("count", "min_sites", "questions", "offer"))
    if typed.get("publish") in PUBLISHED:
        said["publish"] = list(PUBLISHED[typed["publish"]])
    return {name: value for name, value in said.items() if value not in ("", None)}


async def apply(visit: PortalVisit) -> Response:
    """Change the terms."""
    dataset = visit.part("dataset")
    typed = {name: visit.field(name) for name in (*CHANGES, "offer")}
    confirmed: JsonObject = {"loosen": visit.fields("loosen"), "seen": visit.field("seen")}
    try:
        await visit.post(_dataset(dataset, "change"), _changes(typed) | confirmed)
    except InquiryError as error:
        found, told = await visit.get(_dataset(dataset)), None
        if error.problem["code"] in (
            OfferLoosenedError.code,
            OfferMovedError.code,
        ):  # what has to be confirmed stands on the page still
            told = await visit.post(_dataset(dataset, "change"), _changes(typed) | {"dry": True})
        return visit.refused("offers/change.html", error, one=found, typed=typed, told=told)
    return visit.go(f"/offers/own/{quote(dataset)}", {"done": "changed"})


async def withdrawing(visit: PortalVisit) -> Response:
    """What it means to withdraw it, before the button."""
    told = await visit.post(_dataset(visit.part("dataset"), "withdraw"), {"dry": True})
    return visit.page("offers/withdraw.html", one=told)


async def withdraw(visit: PortalVisit) -> Response:
    """Offer it no longer."""
    dataset = visit.part("dataset")
    await visit.post(_dataset(dataset, "withdraw"), {"dry": False})
    return visit.go(f"/offers/own/{quote(dataset)}")


async def again(visit: PortalVisit) -> Response:
    """Offer it again."""
    dataset = visit.part("dataset")
    await visit.post(_dataset(dataset, "publish"))
    return visit.go(f"/offers/own/{quote(dataset)}")


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(
        PortalPage("/offers", mine, READERS),
        PortalPage("/offers/new", begin, KEEPERS),
        PortalPage("/offers/draft/{pid}/columns", columns, KEEPERS),
        PortalPage("/offers/draft/{pid}/terms", terms, KEEPERS),
        PortalPage("/offers/draft/{pid}/contract", foreseen, KEEPERS),
        PortalPage("/offers/terms", own_terms, READERS),
        PortalPage("/offers/own/{dataset:path}", own, READERS),
        PortalPage("/offers/change/{dataset:path}", change, KEEPERS),
        PortalPage("/offers/withdraw/{dataset:path}", withdrawing, KEEPERS),
    ),
    actions=(
        PortalAction("/offers/upload", upload, KEEPERS, largest=LARGEST_UPLOAD + FORM_BYTES, streamed=True),
        PortalAction("/offers/point", point),  # it names a file of this machine: the owner's alone
        PortalAction("/offers/draft/{pid}/columns", say, KEEPERS, largest=LARGEST_TABLE_FORM),
        PortalAction("/offers/draft/{pid}/template", begin_with, KEEPERS),
        PortalAction("/offers/draft/{pid}/terms", choose, KEEPERS),
        PortalAction("/offers/terms/remove", remove_terms, KEEPERS),
        PortalAction("/offers/terms/save/{dataset:path}", save_terms, KEEPERS),
        PortalAction("/offers/draft/{pid}/publish", publish, KEEPERS, confirmed=True),
        PortalAction("/offers/draft/{pid}/discard", discard, KEEPERS),
        PortalAction("/offers/change/{dataset:path}", apply, KEEPERS, confirmed=True),
        PortalAction("/offers/withdraw/{dataset:path}", withdraw, KEEPERS),
        PortalAction("/offers/again/{dataset:path}", again, KEEPERS, confirmed=True),
    ),
    remedies=(
        PortalRemedy("offer.", "/offers", msgid("To my datasets"), READERS),
        PortalRemedy("template.", "/offers/terms", msgid("To my templates"), READERS),
        PortalRemedy("asset.", "/offers", msgid("To my datasets"), READERS),
        PortalRemedy("label.", "/offers", msgid("To my datasets"), READERS),
        PortalRemedy("budget.", "/offers", msgid("To my datasets"), READERS),
    ),
    menu=(
        MenuEntry(
            "/offers",
            msgid("My datasets"),
            "o",
            "data",
            READERS,
            msgid("What you offer, on which terms, and who uses it."),
        ),
    ),
)
