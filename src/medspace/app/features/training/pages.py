"""The pages of trainings: runs, one run live, a new one, its model, what came of it, several beside each other."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import JSONResponse, Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import ROOT, PortalVisit
from medspace.app.features.training import plotting
from medspace.app.features.training.building import (
    HOLDOUTS,
    KINDS,
    PENALTIES,
    STRATEGIES,
    TrainingWishes,
    numbers,
    targets,
    task_of,
    wishes,
)
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.errors import InvalidInputError
from medspace.core.paths import path
from medspace.core.text import Text, counted, msgid


class CardFileError(InvalidInputError):
    """A file is no model card."""

    code = "training.card_file"
    sentence = msgid("The file is no model card as data.")
    next_step = msgid("Choose the file that the page of a model, or `medspace model ID --card card.json`, has made.")


READERS = (Scope.READ, Scope.USE)
TRAINERS = (Scope.USE,)
PAGE = 20
MOST_COMPARED = 6
LARGEST_CARD = 1 << 20  # bytes
GOING = ("created", "running")
KINDS_SAID = (
    ("glm", msgid("Linear model")),
    ("cox", msgid("Survival (Cox)")),
    ("net", msgid("Neural network")),
)
NO_CHOICE: JsonObject = {"columns": [], "outcomes": [], "purposes": []}


async def runs(visit: PortalVisit) -> Response:
    """All trainings, the newest first."""
    found = await visit.get("/runs", limit=PAGE, after=visit.query("after"))
    return visit.page("training/runs.html", found=found, may_train=visit.may(*TRAINERS))


async def run(visit: PortalVisit) -> Response:
    """One training, live until it is over."""
    return await visit.watched("training/run.html", partial(_standing, visit, visit.query("id")))


async def _standing(visit: PortalVisit, identity: str) -> dict[str, Any]:
    found = await visit.get(f"/runs/{identity}")
    course = await visit.get(f"/runs/{identity}/course")
    answers = {one["site"]: one["answers"] for one in course["sites"]}
    going = found["state"] in GOING
    facts = {"one": found, "course": course, "curve": plotting.curve(_reached(course["rounds"])), "answers": answers}
    return facts | {"version": found["version"], "going": going, "may_train": visit.may(*TRAINERS)}


def _reached(rounds: Sequence[JsonObject]) -> list[tuple[int, float]]:
    """What the fit had reached in which round, once for each value: under masks a question takes several rounds."""
    points: list[tuple[int, float]] = []
    for one in rounds:
        if one["objective"] is not None and (not points or points[-1][1] != one["objective"]):
            points.append((one["round"], one["objective"]))
    return points


async def stop(visit: PortalVisit) -> Response:
    """End a training that is not over; what its hospitals answered stays answered."""
    identity = visit.field("id")
    try:
        await visit.post(f"/runs/{identity}/cancel")
    except InquiryError as error:
        return visit.refused("training/run.html", error, **await _standing(visit, identity))
    return visit.go("/training/run", {"id": identity})


# --- a new one ----------------------------------------------------------------------------------------------------


async def new(visit: PortalVisit) -> Response:
    """Choose agreements, then columns that all their hospitals have, then look at the cost."""
    wished = wishes(visit.request.query_params)
    facts = await _choice(visit, wished)
    if facts["choice"] is None or not visit.query("look"):
        return visit.page("training/new.html", **facts)
    try:
        forecast = await _forecast(visit, wished, facts["choice"])
    except InquiryError as error:
        return visit.refused("training/new.html", error, **facts)
    except InvalidInputError as error:
        return visit.invalid("training/new.html", error, **facts)
    return visit.page("training/new.html", **facts | {"forecast": forecast})


async def _choice(visit: PortalVisit, wished: TrainingWishes) -> dict[str, Any]:
    """What there is to choose from; the columns only once agreements are chosen."""
    known = (await visit.get("/forecasts/agreements"))["agreements"]
    choice = (
        await visit.post("/forecasts/columns", {"agreements": list(wished.agreements)}) if wished.agreements else None
    )
    kind = wished.kind if wished.kind in KINDS else KINDS[0]
    facts: dict[str, Any] = {"known": known, "wished": wished, "choice": choice, "forecast": None, "kind": kind}
    facts |= {"again": _address([*wished.query(), ("look", "1")]), "penalty": PENALTIES[kind]}
    facts["kinds"] = [(one, said, _address(replace(wished, kind=one, l2="").query())) for one, said in KINDS_SAID]
    facts |= {"strategies": STRATEGIES, "holdouts": HOLDOUTS}
    facts |= {"targets": targets(choice, kind) if choice else [], "numbers": numbers(choice) if choice else []}
    return facts


def _address(query: Sequence[tuple[str, str]]) -> str:
    return f"{ROOT}/training/new?{urlencode(query)}"


async def _forecast(visit: PortalVisit, wished: TrainingWishes, choice: JsonObject) -> JsonObject:
    task = task_of(wished, choice)
    return await visit.post("/forecasts", {"task": task, "agreements": list(wished.agreements)})


async def start(visit: PortalVisit) -> Response:
    """Begin the training that was looked at: from here on budgets are spent."""
    wished = wishes(visit.form)
    try:
        facts = await _choice(visit, wished)
        task = task_of(wished, facts["choice"] or NO_CHOICE)
        body = {"task": task, "agreements": list(wished.agreements), "without_missing": wished.without_missing}
        begun = await visit.post("/runs", body)
    except InquiryError as error:
        return visit.refused("training/new.html", error, **await _choice(visit, wished))
    except InvalidInputError as error:
        return visit.invalid("training/new.html", error, **await _choice(visit, wished))
    return visit.go("/training/run", {"id": str(begun["id"])})


# --- what came of it ----------------------------------------------------------------------------------------------


async def model(visit: PortalVisit) -> Response:
    """The card of a model: what it says, how good it is where and for whom, what protected whom, where it came from."""
    from medspace.app.features.training.card.printing import figures_of  # noqa: PLC0415 - read with the first card

    made = await visit.get(path("models", visit.query("id")))
    card = await visit.get(path("models", visit.query("id"), "card"))

    def say(sentence: str, **facts: Any) -> str:  # noqa: ANN401 - numbers and words
        return Text(sentence, facts).render(visit.speak)

    return visit.page("training/model.html", made=made, card=card, drawn=figures_of(card["facts"], say))


async def card(visit: PortalVisit) -> Response:
    """The same as one file that prints."""
    return visit.download(path("models", visit.query("id"), "card.html"))


async def card_data(visit: PortalVisit) -> Response:
    """The same as data with its signature, which others can check."""
    found = await visit.get(path("models", visit.query("id"), "card"))
    return JSONResponse(found, headers={"Content-Disposition": 'attachment; filename="model-card.json"'})


async def cards(visit: PortalVisit) -> Response:
    """Where a card that somebody handed on is checked."""
    return visit.page("training/cards.html", proven=None, facts=None)


async def check_card(visit: PortalVisit) -> Response:
    """Who signed the card in a file; what it says is shown only where that is proven."""
    chosen, shown = visit.file("card"), {"proven": None, "facts": None}
    try:
        found = _card_in(await chosen.read() if chosen else b"")
        proven = await visit.post("/cards/check", found)
    except InquiryError as error:
        return visit.refused("training/cards.html", error, **shown)
    except InvalidInputError as error:
        return visit.invalid("training/cards.html", error, **shown)
    return visit.page("training/cards.html", proven=proven, facts=found["facts"])


def _card_in(content: bytes) -> JsonObject:
    """The facts and the signature in a file.

    Raises:
        CardFileError: it holds none.
    """
    try:
        found = read_json(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise CardFileError from None
    if not isinstance(found, dict) or not isinstance(found.get("facts"), dict):
        raise CardFileError
    return {name: found.get(name) for name in ("facts", "signed")}


async def file(visit: PortalVisit) -> Response:
    """The model itself as a file, for `medspace predict`."""
    return visit.download(path("models", visit.query("id"), "file.safetensors"))


async def study(visit: PortalVisit) -> Response:
    """What was found, as a study shows it: effects with their intervals, and who saw what."""
    made = await visit.get(f"/models/{visit.query('id')}")
    drawn = plotting.forest([made])
    ratio = visit.speak(drawn.ratio) if drawn is not None and drawn.ratio else ""
    return visit.page("training/study.html", made=made, forest=drawn, ratio=ratio)


async def compare(visit: PortalVisit) -> Response:
    """Several trainings beside each other."""
    chosen = list(dict.fromkeys(visit.request.query_params.getlist("run")))[:MOST_COMPARED]
    found = [await visit.get(f"/runs/{one}") for one in chosen]
    made = [one for one in found if one["model"]]
    drawn = plotting.forest([one["model"] for one in made])
    without = [one for one in found if not one["model"]]
    return visit.page("training/compare.html", made=made, without=without, forest=drawn, chosen=chosen)


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """Trainings that go on, and the newest where it failed."""
    found = (await visit.get("/runs", limit=PAGE))["runs"]
    going = [one for one in found if one["state"] in GOING]
    told = []
    if going:
        said = counted(len(going), msgid("{count} training is running"), msgid("{count} trainings are running"))
        where = "/training" if len(going) > 1 else f"/training/run?id={quote(str(going[0]['id']), safe='')}"
        told.append(HomeNotice(said, where, "live"))
    if found and not going:
        told += _last(found[0])
    return told


def _last(one: JsonObject) -> list[HomeNotice]:
    """How the newest training ended."""
    where = f"/training/run?id={quote(str(one['id']), safe='')}"
    if one["state"] == "failed":
        said = Text(msgid("The last training failed: {reason}"), {"reason": str(one["problem"]["sentence"])})
        return [HomeNotice(said, where, "bad")]
    if one["state"] == "finished":
        return [HomeNotice(Text(msgid("The last training is finished: look at its model")), where, "ok")]
    return []


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    static=Path(__file__).with_name("static"),
    pages=(
        PortalPage("/training", runs, READERS),
        PortalPage("/training/run", run, READERS, islands=("vendor/htmx.min.js", "training/run.js")),
        PortalPage("/training/new", new, TRAINERS),
        PortalPage("/training/model", model, READERS),
        PortalPage("/training/card", card, READERS),
        PortalPage("/training/card/data", card_data, READERS),
        PortalPage("/training/cards", cards, READERS),
        PortalPage("/training/file", file, READERS),
        PortalPage("/training/study", study, READERS),
        PortalPage("/training/compare", compare, READERS),
    ),
    actions=(
        PortalAction("/training/start", start, TRAINERS, confirmed=True),
        PortalAction("/training/stop", stop, TRAINERS),
        PortalAction("/training/cards/check", check_card, READERS, largest=LARGEST_CARD),
    ),
    remedies=(
        PortalRemedy("learning.", "/training/new", msgid("Choose anew"), TRAINERS),
        PortalRemedy("training.", "/training/new", msgid("Choose anew"), TRAINERS),
        PortalRemedy("train.", "/training/new", msgid("Choose anew"), TRAINERS),
        PortalRemedy("run.", "/training", msgid("To the trainings"), READERS),
        PortalRemedy("masked.", "/training", msgid("To the trainings"), READERS),
    ),
    menu=(
        MenuEntry(
            "/training",
            msgid("Trainings"),
            "t",
            "work",
            READERS,
            msgid("Models that are trained where the data are, round by round."),
        ),
    ),
    notices=notices,
)
