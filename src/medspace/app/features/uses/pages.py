"""The pages of uses, and of outputs that wait for a person of the holder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from medspace.app.doors.portal.inquiry import InquiryError
from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.node.pages import HomeNotice, MenuEntry, PortalAction, PortalPage, PortalPages, PortalRemedy
from medspace.core.actors import Scope
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import counted, msgid

READERS = (Scope.READ, Scope.USE, Scope.TERMS)
STEERING = (Scope.USE, Scope.TERMS)
CHECKERS = (Scope.CHECK,)
PAGE = 50
SIDES = ("provider", "consumer")
STEERS = ("suspend", "resume", "end")
DECISIONS = ("approve", "change", "reject")
MOST_ROWS, LONGEST_CELL = 500, 200  # of an output as a table


async def uses(visit: PortalVisit) -> Response:
    """What others do with one's own data, and what one does with theirs."""
    side = visit.query("role")
    wanted = {"role": side if side in SIDES else ""}
    found = await visit.get("/uses", limit=PAGE, after=visit.query("after"), **wanted)
    return visit.page("uses/uses.html", found=found, role=wanted["role"])


async def use(visit: PortalVisit) -> Response:
    """One use, live until it is over."""
    return visit.page("uses/use.html", **await _use(visit, visit.query("id")))


async def _use(visit: PortalVisit, identity: str) -> dict[str, Any]:
    found = await visit.get(f"/uses/{identity}")
    steering = Scope.TERMS if found["role"] == "provider" else Scope.USE
    return {"one": found, "may_steer": visit.may(steering)}


async def steer(visit: PortalVisit) -> Response:
    """Suspend, resume or end a use; the other side is told why."""
    identity, verb = visit.field("id"), visit.field("verb")
    try:
        await visit.post(f"/uses/{identity}/{verb if verb in STEERS else 'end'}", {"reason": visit.field("reason")})
    except InquiryError as error:
        return visit.refused("uses/use.html", error, **await _use(visit, identity))
    return visit.go("/uses/use", {"id": identity})


# --- outputs that wait for a person -------------------------------------------------------------------------------


async def outputs(visit: PortalVisit) -> Response:
    """The outputs that wait, and those that were looked at."""
    waiting = await visit.get("/steps", state="held", limit=PAGE, after=visit.query("after"))
    return visit.page("uses/outputs.html", waiting=waiting)


async def output(visit: PortalVisit) -> Response:
    """One output: what would leave, what the checks found, what to decide."""
    return visit.page("uses/output.html", **await _output(visit, visit.query("id")))


async def _output(visit: PortalVisit, identity: str) -> dict[str, Any]:
    found = await visit.get(f"/steps/{identity}")
    queue = [one["id"] for one in (await visit.get("/steps", state="held", limit=PAGE))["steps"]]
    place = queue.index(identity) if identity in queue else -1
    before = queue[place - 1] if place > 0 else ""
    after = queue[place + 1] if 0 <= place < len(queue) - 1 else (queue[0] if queue and place < 0 else "")
    mine = visit.actor.id in [one["actor"] for one in found["approved_by"]]
    rows = leaving(found["output"]["values"]) if found["output"] else []
    return {"one": found, "before": before, "after": after, "mine": mine, "rows": rows, "waiting": len(queue)}


def leaving(values: Json) -> list[tuple[str, str]]:
    """What would leave, number by number, as far as people can read it."""
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, Json]] = [("", values)]
    while waiting and len(found) <= MOST_ROWS:
        name, value = waiting.pop()
        if isinstance(value, dict):
            inner = [(f"{name}.{key}" if name else str(key), one) for key, one in value.items()]
            waiting += reversed(inner)
        elif isinstance(value, list):
            waiting += reversed([(f"{name}[{place}]", one) for place, one in enumerate(value)])
        else:
            found.append((name[:LONGEST_CELL], str(value)[:LONGEST_CELL]))
    return found


async def decide(visit: PortalVisit) -> Response:
    """Let an output go, keep it back, or have it made anew with less in it: none of them can be undone."""
    identity, decision = visit.field("id"), visit.field("decision")
    body = {"approve": decision == "approve", "comment": visit.field("comment")}
    parts = visit.fields("leave_out")
    try:
        if decision not in DECISIONS or (decision == "change" and not parts):
            facts = await _output(visit, identity)
            return visit.page("uses/output.html", status=400, **facts | {"undecided": True})
        if decision == "change":
            await visit.post(f"/steps/{identity}/change", {"leave_out": parts, "comment": visit.field("comment")})
            return visit.go("/outputs/output", {"id": identity})
        done: JsonObject = await visit.post(f"/steps/{identity}/check", body)
    except InquiryError as error:
        return visit.refused("uses/output.html", error, **await _output(visit, identity))
    waiting = await visit.get("/steps", state="held", limit=1)
    following = [one["id"] for one in waiting["steps"] if one["id"] != done["id"]]
    return visit.go("/outputs/output", {"id": following[0]}) if following else visit.go("/outputs")


async def notices(visit: PortalVisit) -> Sequence[HomeNotice]:
    """Outputs that wait for somebody to look at them."""
    found = (await visit.get("/steps", state="held", limit=PAGE))["steps"]
    if not found or not visit.may(*CHECKERS):
        return ()
    said = counted(
        len(found), msgid("{count} output waits to be checked"), msgid("{count} outputs wait to be checked")
    )
    where = "/outputs" if len(found) > 1 else f"/outputs/output?id={quote(str(found[0]['id']), safe='')}"
    return (HomeNotice(said, where, "wait"),)


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    pages=(
        PortalPage("/uses", uses, READERS),
        PortalPage("/uses/use", use, READERS, islands=("vendor/htmx.min.js",)),
        PortalPage("/outputs", outputs, CHECKERS),
        PortalPage("/outputs/output", output, CHECKERS),
    ),
    actions=(
        PortalAction("/uses/steer", steer, STEERING, confirmed=True),
        PortalAction("/outputs/decide", decide, CHECKERS, confirmed=True),
    ),
    remedies=(
        PortalRemedy("use.", "/uses", msgid("To the uses"), READERS),
        PortalRemedy("transfer.", "/uses", msgid("To the uses"), READERS),
        PortalRemedy("step.", "/outputs", msgid("To the outputs that wait"), CHECKERS),
    ),
    menu=(
        MenuEntry(
            "/uses", msgid("Uses"), "u", "work", READERS, msgid("Who does what with whose data, and how it goes.")
        ),
        MenuEntry(
            "/outputs",
            msgid("Output checking"),
            "k",
            "work",
            CHECKERS,
            msgid("Outputs that leave only once a person has looked at them."),
        ),
    ),
    notices=notices,
)
