"""Maintaining a connector: backup, restore, and running it as a service."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer
    from fastapi import APIRouter

    from medspace.app.features.upkeep.downloads import BackupRoom
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.ledger.kinds import EntryKind


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.upkeep import service_verbs, verbs

    app.command("backup")(verbs.backup)
    app.command("restore")(verbs.restore)
    app.command("service")(service_verbs.service)


def _kinds() -> "tuple[EntryKind, ...]":
    from medspace.app.features.upkeep.kinds import KINDS

    return KINDS


def _service(node: "Node") -> "BackupRoom":
    from medspace.app.features.upkeep.downloads import BackupRoom

    return BackupRoom(node)


def _routes(room: "BackupRoom") -> "APIRouter":
    from medspace.app.features.upkeep.api import routes

    return routes(room)


async def _work(room: "BackupRoom") -> None:
    await room.work()


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.node.backups import backup_check

    yield backup_check(examined.config, examined.clock)


def _pages() -> "PortalPages":
    from medspace.app.features.upkeep.pages import PAGES

    return PAGES


FEATURE = Feature(
    name="upkeep",
    kinds=_kinds,
    service=_service,
    routes=_routes,
    pages=_pages,
    verbs=_verbs,
    local_verbs=("backup", "restore", "service"),
    work=_work,
    checks=_checks,
)
