"""Who may act for this participant: tokens for people and programs."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from medspace.app.features.tokens.sdk import TokensClient
    from medspace.app.features.tokens.service import AccessTokens
    from medspace.app.node.node import Node


def _service(node: "Node") -> "AccessTokens":
    from medspace.app.features.tokens.service import AccessTokens

    return AccessTokens(node.actors, node.clock)


def _routes(tokens: "AccessTokens") -> "APIRouter":
    from medspace.app.features.tokens.api import routes

    return routes(tokens)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.tokens import verbs

    app.add_typer(verbs.app, name="token")


def client() -> "type[TokensClient]":
    """The methods of the SDK."""
    from medspace.app.features.tokens.sdk import TokensClient

    return TokensClient


FEATURE = Feature(name="tokens", service=_service, routes=_routes, verbs=_verbs, client=client)
