"""`medspace source`: what hospitals keep as FHIR resources, on the way to a table that can be offered."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.sources import verbs

    app.add_typer(verbs.app, name="source")


FEATURE: Feature[None] = Feature(
    name="sources",
    verbs=_verbs,
    local_verbs=("source features", "source fetch", "source key", "source view"),
)
