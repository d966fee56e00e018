"""The pages of the audit: the log's entries, one of them with its proof, the whole log, uses, lineage."""

from collections.abc import Iterator
from pathlib import Path

from starlette.responses import JSONResponse, Response

from medspace.app.doors.portal.visit import PortalVisit
from medspace.app.features.audit.picture import BoxText, Picture, draw
from medspace.app.features.audit.wording import kinds_in_words
from medspace.app.node.pages import MenuEntry, PortalPage, PortalPages, PortalRemedy
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.text import msgid

AUDITORS = (Scope.AUDIT,)
PAGE = 25
AT_ONCE = 10_000  # entries that a browser verifies without being asked to
MOST = 100_000  # that it verifies at all
DAY_ENDS = "T23:59:59.999Z"
SCRIPTS = ("audit.js",)


async def entries(visit: PortalVisit) -> Response:
    """The entries of the log, the newest first, by what happened, dataset, participant, actor and day."""
    asked = {
        name: visit.query(name).strip()[:200] for name in ("kind", "dataset", "party", "actor", "since", "until")
    }
    before = visit.query("before")
    query: dict[str, str | float] = {**asked, "limit": PAGE}
    query["until"] = asked["until"] and asked["until"] + DAY_ENDS
    found = await visit.get("/audit/search", **query, **({"before": before} if before else {}))
    return visit.page("audit/entries.html", found=found, asked=asked, kinds=kinds_in_words(visit.speak))


async def entry(visit: PortalVisit) -> Response:
    """One entry: what it says, and its proof, which the browser verifies."""
    index = visit.query("index", "0")
    one = await visit.get(f"/audit/entries/{index}")
    proof, head = await visit.get(f"/audit/proofs/{index}"), await visit.get("/audit/head")
    return visit.page("audit/entry.html", one=one, proof=proof, head=head)


async def proof(visit: PortalVisit) -> Response:
    """The proof of one entry, for the script and as a file."""
    found = await visit.get(f"/audit/proofs/{visit.query('index', '0')}")
    return _file(visit, found, f"entry-{found['index']}.json")


async def log(visit: PortalVisit) -> Response:
    """The whole log, verified in the browser; and files of others."""
    head = await visit.get("/audit/head")
    return visit.page("audit/log.html", head=head, at_once=AT_ONCE, most=MOST)


async def head(visit: PortalVisit) -> Response:
    """What the script verifies the log against."""
    return JSONResponse(await visit.get("/audit/head"))


async def texts(visit: PortalVisit) -> Response:
    """Entries as they were hashed, for the script."""
    query = {name: visit.query(name, start) for name, start in (("after", "0"), ("limit", "1000"))}
    return JSONResponse(await visit.get("/audit/texts", **query))


async def uses(visit: PortalVisit) -> Response:
    """Who used the datasets of this connector, or one of them: each participant, and the uses of all or of one."""
    dataset, user = (visit.query(name).strip()[:200] for name in ("dataset", "user"))
    found = await visit.get("/audit/uses", dataset=dataset, user=user)
    return visit.page("audit/uses.html", found=found, dataset=dataset, user=user)


async def lineage(visit: PortalVisit) -> Response:
    """The runs that this connector led."""
    return visit.page("audit/lineage.html", found=await visit.get("/audit/runs"))


async def run(visit: PortalVisit) -> Response:
    """Where the model of one run came from."""
    found = await visit.get(f"/audit/lineage/{visit.query('run')}")
    return visit.page("audit/run.html", one=found, picture=_picture(visit, found))


async def prov(visit: PortalVisit) -> Response:
    """The same as a file (W3C PROV)."""
    found = await visit.get(f"/audit/lineage/{visit.query('run')}")
    return _file(visit, found["prov"], "lineage.json", download=True)


def _file(visit: PortalVisit, content: JsonObject, name: str, *, download: bool = False) -> Response:
    as_file = download or visit.query("download")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'} if as_file else {}
    return JSONResponse(content, headers=headers)


def _picture(visit: PortalVisit, found: JsonObject) -> Picture:
    speak = visit.speak
    run_box = BoxText("run", speak(msgid("Run")), found["run"], found["coordinator"])
    model = BoxText("model", speak(msgid("Model")), found["model"] or speak(msgid("none")))
    return draw(list(_rows(visit, found["sources"])), run_box, model)


def _rows(visit: PortalVisit, sources: list[JsonObject]) -> Iterator[tuple[BoxText, BoxText]]:
    """One row for each dataset of a site, and one for a site whose dataset only its own log names."""
    speak = visit.speak
    for source in sources:
        site = source["site_name"] or source["site"]
        agreement = BoxText("agreement", speak(msgid("Agreement")), ", ".join(source["agreements"]))
        for dataset in source["datasets"] or [speak(msgid("only the log of the site says which"))]:
            yield BoxText("dataset", speak(msgid("Dataset")), dataset, site), agreement


PAGES = PortalPages(
    templates=Path(__file__).with_name("templates"),
    static=Path(__file__).with_name("static"),
    pages=(
        PortalPage("/audit", entries, AUDITORS),
        PortalPage("/audit/entry", entry, AUDITORS, islands=SCRIPTS),
        PortalPage("/audit/proof", proof, AUDITORS),
        PortalPage("/audit/log", log, AUDITORS, islands=SCRIPTS),
        PortalPage("/audit/head", head, AUDITORS),
        PortalPage("/audit/texts", texts, AUDITORS),
        PortalPage("/audit/uses", uses, AUDITORS),
        PortalPage("/audit/lineage", lineage, AUDITORS),
        PortalPage("/audit/lineage/run", run, AUDITORS),
        PortalPage("/audit/lineage/prov", prov, AUDITORS),
    ),
    remedies=(PortalRemedy("ledger.", "/audit", msgid("To the log"), AUDITORS),),
    menu=(
        MenuEntry(
            "/audit", msgid("Audit"), "a", "proof", AUDITORS, msgid("What happened, verified in your own browser.")
        ),
    ),
)
