"""The portal's shell over accounts in memory, its clock moved by hand, and browsers that do as they like."""

import re
from dataclasses import dataclass, field

import httpx
from starlette.responses import JSONResponse, Response

from medspace.app.doors.portal.app import portal_app
from medspace.app.doors.portal.guarding import SESSION
from medspace.app.doors.portal.rendering import Renderer
from medspace.app.doors.portal.sharing import LooksTogether, SharedBlocks
from medspace.app.doors.portal.shelf import Shelf
from medspace.app.doors.portal.shell import PortalShell
from medspace.app.features.accounts.service import AccountDesk
from medspace.app.node.attempts import Attempts
from medspace.app.node.pages import PortalAction, PortalPage, PortalPages
from medspace.core.actors import Scope
from tests.passkeys import ORIGIN
from tests.portals import DID, Clinic

TOKEN = re.compile(r'name="form-token" content="([0-9a-f]{64})"')
OWN = {"origin": ORIGIN}


class Deeds:
    """Pages and forms of a feature that only says what it did."""

    def __init__(self, folder):
        self.done = []
        self.broken = RuntimeError("the password of the database is hunter2")
        pages = (
            PortalPage("/deeds", self.shown, (Scope.READ,)),
            PortalPage("/deeds/broken", self.breaks, (Scope.READ,)),
        )
        actions = (
            PortalAction("/deeds/light", self.do, (Scope.TERMS,)),
            PortalAction("/deeds/heavy", self.do, (Scope.TERMS,), confirmed=True),
        )
        self.pages = PortalPages(templates=folder, pages=pages, actions=actions)

    async def shown(self, visit):
        return visit.page("keys.html")

    async def breaks(self, visit):
        raise self.broken

    async def do(self, visit):
        self.done.append(visit.field("what"))
        return visit.go("/deeds")


class Place:
    """A portal, its people, and what it did."""

    def __init__(self, folder, deeds=Deeds):
        self.clinic = Clinic()
        self.deeds = deeds(folder)
        self.desk = AccountDesk(self.clinic.accounts, self.clinic.passkeys, Attempts(self.clinic.clock), ORIGIN)
        self.asked = []
        pages = {"deeds": self.deeds.pages}
        self.shelf = Shelf([])
        self.renderer = Renderer({"deeds": folder}, self.shelf)
        looks = LooksTogether(self.clinic.accounts.look_together)
        blocks = SharedBlocks(self.clinic.clock)
        shell = PortalShell(self.desk, self.clinic.clock, self.api, self.renderer, pages, DID, looks, blocks)
        self.app = portal_app(shell, self.shelf)

    async def api(self, scope, receive, send):
        self.asked.append(scope)
        answer = Response(b"id: 1\n\n", headers={"content-type": "text/event-stream"})
        await (answer if scope["path"].startswith("/events/") else JSONResponse({}))(scope, receive, send)

    def guest(self):
        return Guest(self.app)

    async def entered(self, account):
        """Somebody who has just come in by a link."""
        guest = self.guest()
        await guest.enter((await self.clinic.link(account)).text)
        return guest

    async def confirmed(self, guest):
        """The guest's passkey has just said that it is still them."""
        visitor = await self.clinic.accounts.look(guest.session)
        key = await self.clinic.register(visitor)
        await self.clinic.confirm(visitor, key)

    async def sessions(self):
        return [one.facts for one in await self.clinic.entries("session.opened")]


@dataclass
class Guest:
    """A browser whose cookies and headers are in the hands of whoever uses it."""

    app: object
    cookies: dict = field(default_factory=dict)

    async def send(self, method, path, **request):
        headers = httpx.Headers(request.pop("headers", {}))
        if self.cookies and "cookie" not in headers:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            answer = await client.send(client.build_request(method, path, headers=headers, **request))
        for told in answer.headers.get_list("set-cookie"):
            name, _, value = told.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    async def get(self, path, **request):
        return await self.send("GET", path, **request)

    async def post(self, path, form, headers=OWN, **request):
        return await self.send("POST", path, data=form, headers=headers, **request)

    async def enter(self, link):
        return await self.post("/portal/enter", {"link": link})

    async def token(self):
        return TOKEN.search((await self.get("/portal/deeds")).text)[1]

    @property
    def session(self):
        return self.cookies.get(SESSION, "")
