"""The pages of the doctor (what is in order here, what is not, what helps), and of backups."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.features.upkeep.downloads import LARGEST_CHECKED
from medspace.app.features.upkeep.passphrase import SHORTEST
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.text import counted, msgid

READERS = (Scope.READ,)
FORM_BYTES = 64 * 1024  # what stands around a file
LONGEST_NAME = 512


async def doctor(visit: PortalVisit) -> Response:
    """What is examined, with what is missing first."""
    found = await visit.get("/doctor")
    checks = sorted(found["checks"], key=lambda check: bool(check["ok"]))
    return visit.page("upkeep/doctor.html", checks=checks, owner=visit.may())


async def backup(visit: PortalVisit) -> Response:
    """Make a backup, check one, and how one is restored."""
    return visit.page("upkeep/backup.html", **await _known(visit), checked=None)


async def make(visit: PortalVisit) -> Response:
    """Make a backup; it waits on the page for its download."""
    words = [str(visit.form.get(name, "")) for name in ("passphrase", "again")]
    if words[0] != words[1]:
        problem = _problem(visit, msgid("The two passphrases are not the same."), msgid("Type the same one twice."))
        return visit.page("upkeep/backup.html", status=400, problem=problem, **await _known(visit), checked=None)
    try:
        body = {"passphrase": words[0], "without_database": visit.field("without_database") == "yes"}
        await visit.post("/backups", body)
    except InquiryError as error:
        return visit.refused("upkeep/backup.html", error, **await _known(visit), checked=None)
    return visit.go("/backup")


async def download(visit: PortalVisit) -> Response:
    """The file of the backup that waits."""
    ready = (await visit.get("/backups"))["ready"]
    if ready is None:
        return visit.go("/backup")
    return visit.download(path("backups", ready["id"]))


async def check(visit: PortalVisit) -> Response:
    """Say what a backup holds; it is read as it comes, and not kept."""
    if visit.incoming is None:
        problem = _problem(visit, msgid("No file was chosen."), msgid("Choose the file of a backup."))
        return visit.page("upkeep/backup.html", status=400, problem=problem, **await _known(visit), checked=None)
    line = msgspec.json.encode(str(visit.form.get("passphrase", ""))) + b"\n"
    pieces = _behind(line, visit.incoming.pieces)
    try:
        found = await visit.send("/backups/check", pieces, name=visit.incoming.name[:LONGEST_NAME])
    except InquiryError as error:
        return visit.refused("upkeep/backup.html", error, **await _known(visit), checked=None)
    return visit.page("upkeep/backup.html", **await _known(visit), checked=found)


async def _behind(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _known(visit: PortalVisit) -> JsonObject:
    found = await visit.get("/backups")
    return {"known": found, "gib": found["largest"] >> 30, "shortest": SHORTEST}


def _problem(visit: PortalVisit, sentence: str, advice: str) -> JsonObject:
    return {"code": "portal.form", "sentence": visit.speak(sentence), "next_step": visit.speak(advice)}


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """How many things are not in order."""
    assets = (await visit.get("/doctor/assets"))["checks"]
    bad = [check for check in assets if not check["ok"]]
    if not bad:
        return ()
    told = counted(len(bad), msgid("{count} dataset is not in order"), msgid("{count} datasets are not in order"))
    return (HomeNotice(told, "/doctor", "bad"),)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(
        PortalPage("/doctor", doctor, READERS),
        PortalPage("/backup", backup),
        PortalPage("/backup/file", download),
    ),
    actions=(
        PortalAction("/backup/make", make, confirmed=True),
        PortalAction("/backup/check", check, largest=LARGEST_CHECKED + FORM_BYTES, streamed=True),
    ),
    remedies=(
        PortalRemedy("peer.", "/doctor", msgid("Open the doctor"), READERS),
        PortalRemedy("storage.", "/doctor", msgid("Open the doctor"), READERS),
        PortalRemedy("connector.", "/doctor", msgid("Open the doctor"), READERS),
        PortalRemedy("config.", "/doctor", msgid("Open the doctor"), READERS),
    ),
    menu=(
        MenuEntry("/doctor", msgid("Doctor"), "d", "connector", READERS, msgid("What is missing, and what helps.")),
    ),
    notices=notices,
)
