"""How a connector is reached: certificates, proxies, and how it looks to another member."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.reach.asking import Outside
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.feature import Later
    from medspace.app.node.node import Node


def _service(node: "Node") -> "Outside":
    from medspace.app.features.reach.asking import Outside

    return Outside(node.config, node.client, node.identity, node.book, node.clock)


def _routes(outside: "Outside") -> "APIRouter":
    from medspace.app.features.reach.api import routes

    return routes(outside)


def _public(node: "Node", _: "Later[Outside]") -> "list[Route]":
    from medspace.app.features.reach.door import ReachDoor

    return ReachDoor(node.client, node.clock, node.authenticate).routes()


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.reach.checks import certificate_checks, outside_checks

    yield from certificate_checks(examined.config, examined.clock.now())
    if examined.running:
        yield from outside_checks(examined.config, examined.clock)


def _codes() -> "frozenset[str]":
    from medspace.app.features.reach import door
    from medspace.connector.codes import said_by

    return said_by(door)


FEATURE = Feature(name="reach", codes=_codes, service=_service, routes=_routes, public=_public, checks=_checks)
