"""`medspace draft FILE`: examining a file before it is offered."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    import typer


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.drafting import verbs

    app.command("draft")(verbs.draft)


FEATURE: Feature[None] = Feature(name="drafting", verbs=_verbs, local_verbs=("draft",))
