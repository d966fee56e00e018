"""The portal as an application that can be installed: its manifest, and a worker that keeps files and one page.

Whoever has no session may have all of it: the worker is given the files of the shelf and a page that says that the
connector cannot be reached. It keeps nothing else, and it goes with the session (`Clear-Site-Data`).
"""

import json
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from medspace.app.doors.portal.guarding import HOME, guarded
from medspace.app.doors.portal.shelf import TYPES, Shelf
from medspace.app.doors.portal.shell import PortalShell

WORKER = Path(__file__).with_name("worker.js").read_text(encoding="utf-8")
MANIFEST_TYPE = "application/manifest+json"
PAPER, ACCENT = "#ffffff", "#0b5f7a"
SHORT = 16  # characters of the version


def routes(portal: PortalShell, shelf: Shelf) -> list[Route]:
    """The manifest, the worker and its page."""

    async def manifest(_: Request) -> Response:
        return guarded(JSONResponse(_manifest(portal.participant, shelf), media_type=MANIFEST_TYPE))

    async def worker(_: Request) -> Response:
        return guarded(Response(script(shelf, _page(portal)), media_type=TYPES[".js"]))

    async def offline(_: Request) -> Response:
        return guarded(HTMLResponse(_page(portal)))

    return [
        Route("/portal/manifest.webmanifest", manifest, methods=["GET"]),
        Route("/portal/worker.js", worker, methods=["GET"]),
        Route("/portal/offline", offline, methods=["GET"]),
    ]


def clear(response: Response) -> None:
    """Have the browser forget the worker and all that it and others kept of this origin (W3C Clear Site Data)."""
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def script(shelf: Shelf, page: str) -> str:
    """The worker for exactly these files and this page: another version where any of them is another one."""
    files = shelf.addresses()
    version = sha256("\n".join((*files, page, WORKER)).encode()).hexdigest()[:SHORT]
    return f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps(files)};\n{WORKER}"


def _page(portal: PortalShell) -> str:
    return portal.renderer.render("offline.html", portal.nobody(), {})


def _manifest(participant: str, shelf: Shelf) -> dict[str, object]:
    mark = {"src": shelf.address("mark.svg"), "sizes": "any", "type": TYPES[".svg"], "purpose": "any"}
    return {
        "id": HOME,
        "name": f"{participant} · medspace",
        "short_name": "medspace",
        "start_url": HOME,
        "scope": HOME,
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": ACCENT,
        "icons": [mark],
    }
