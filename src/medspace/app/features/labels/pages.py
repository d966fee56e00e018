"""The page of the label of a dataset: what the whole allows, and a form for the labels of its columns and rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.paths import path

READERS = (Scope.READ, Scope.TERMS)
MOST = 40  # parts of a kind that the form can say
NEW = 2  # empty ones to fill in
LONGEST = 2_000  # characters of a field
NOTHING = "-"
LISTS = ("purposes", "regions")
FIELDS = {"columns": ("names", *LISTS, "valid_until"), "rows": ("column", "values", "others", *LISTS, "valid_until")}
Said = Callable[[str], str]  # what a form says in a field


async def label(visit: PortalVisit) -> Response:
    """The label; with `look`, what another one of its parts would change."""
    dataset = visit.part("dataset")
    found = await visit.get(path("labels", dataset))
    if not visit.query("look"):
        return visit.page("labels/label.html", **shown(found, typed_of(found["label"]), visit))
    typed = typed_in(lambda name: visit.query(name)[:LONGEST])
    try:
        told = await put(visit, dataset, parts_of(found["label"], typed), dry=True)
    except InquiryError as error:
        return visit.refused("labels/label.html", error, **shown(found, typed, visit))
    return visit.page("labels/label.html", **shown(found, typed, visit, told))


async def change(visit: PortalVisit) -> Response:
    """Put the labels of the parts in force, as they were looked at."""
    dataset = visit.part("dataset")
    found = await visit.get(path("labels", dataset))
    typed = typed_in(lambda name: visit.field(name)[:LONGEST])
    wanted = parts_of(found["label"], typed)
    try:
        await put(visit, dataset, wanted, loosen=visit.fields("loosen"), seen=visit.field("seen"))
    except InquiryError as error:
        return visit.refused("labels/label.html", error, **shown(found, typed, visit))
    return visit.go(f"/labels/{dataset}", {"done": "changed"})


async def put(visit: PortalVisit, dataset: str, label: JsonObject, **said: Any) -> JsonObject:  # noqa: ANN401 - JSON
    """What the management API says to a label."""
    return await visit.api.ask("PUT", path("labels", dataset), body={"label": label, **said})


def shown(found: JsonObject, typed: JsonObject, visit: PortalVisit, told: JsonObject | None = None) -> dict[str, Any]:
    """What the page is made of."""
    facts = {"one": found, "typed": typed, "told": told, "fresh": visit.query("done") if told is None else ""}
    return {**facts, "keeper": visit.may(Scope.TERMS), "form": flat(typed)}


def typed_of(label: JsonObject) -> JsonObject:
    """The parts of a label as the fields of the form, with some empty ones behind them."""
    return {
        kind: [
            *({name: _text(part.get(name)) for name in names} for part in label.get(kind, ())[:MOST]),
            *_empty(names),
        ]
        for kind, names in FIELDS.items()
    }


def typed_in(said: Said) -> JsonObject:
    """The fields of the form as they were typed."""
    return {
        kind: [{name: said(f"{kind}.{at}.{name}") for name in names} for at in range(MOST)]
        for kind, names in FIELDS.items()
    }


def flat(typed: JsonObject) -> dict[str, str]:
    """Each field that says something, by its name in the form."""
    return {
        f"{kind}.{at}.{name}": value
        for kind, parts in typed.items()
        for at, part in enumerate(parts)
        for name, value in part.items()
        if value
    }


def parts_of(label: JsonObject, typed: JsonObject) -> JsonObject:
    """The label with the parts that were typed; what the form has no field for stays with the part at its place."""
    new = {name: value for name, value in label.items() if name not in FIELDS}
    for kind, names in FIELDS.items():
        before = label.get(kind, [])
        parts = [
            _part(before[at] if at < len(before) else {}, part, names)
            for at, part in enumerate(typed[kind])
            if part.get("names") or part.get("column")
        ]
        parts += before[MOST:]  # which the form does not show
        new |= {kind: parts} if parts else {}
    return new


def _part(before: JsonObject, typed: JsonObject, names: tuple[str, ...]) -> JsonObject:
    part = {name: value for name, value in before.items() if name not in names}
    for name in names:
        said = typed[name].strip()
        if said and said == _text(before.get(name)):  # as it was shown: a value may have a comma in it
            part[name] = before[name]
        elif name in LISTS and said == NOTHING:
            part[name] = []
        elif name in (*LISTS, "names", "values"):
            part |= {name: _list(said)} if said else {}
        elif said:
            part[name] = True if name == "others" else said
    return part


def _list(said: str) -> list[str]:
    return [one.strip() for one in said.split(",") if one.strip()]


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if value is None or value is False:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or NOTHING
    return "1" if value is True else str(value)


def _empty(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [dict.fromkeys(names, "") for _ in range(NEW)]


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(PortalPage("/labels/{dataset:path}", label, READERS),),
    actions=(PortalAction("/labels/{dataset:path}", change, (Scope.TERMS,), confirmed=True),),
)
