"""The portal of one connector: the pages of its features around the management API."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp

from medspace.app.doors.portal.app import portal_app
from medspace.app.doors.portal.rendering import Renderer
from medspace.app.doors.portal.sharing import LooksTogether, SharedBlocks
from medspace.app.doors.portal.shelf import Shelf
from medspace.app.doors.portal.shell import Login, People, PortalShell
from medspace.app.node.feature import Feature
from medspace.app.node.node import Node
from medspace.app.node.pages import PortalPages


def make_portal(
    node: Node, features: Sequence[Feature[Any]], people: People, api: ASGIApp, login: Login | None = None
) -> ASGIApp:
    """The application of the portal: `people` sign in, also by the hospital's `login`; `api` is the management API.

    The API is asked within the process.
    """
    pages: Mapping[str, PortalPages] = {one.name: one.pages() for one in features if one.pages is not None}
    shelf = Shelf(folder.static for folder in pages.values() if folder.static is not None)
    renderer = Renderer({name: each.templates for name, each in pages.items()}, shelf)
    looks = LooksTogether(people.accounts.look_together)
    blocks, name = SharedBlocks(node.clock), node.config.participant.name
    shell = PortalShell(people, node.clock, api, renderer, pages, name, looks, blocks, login)
    return portal_app(shell, shelf)
