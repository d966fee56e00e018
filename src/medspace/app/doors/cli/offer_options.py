"""The terms of an offer on the command line: the options that `medspace init` and `medspace offer` share."""

from enum import StrEnum
from typing import Annotated

import typer

UntilOption = Annotated[str, typer.Option("--until", help="Last day of the offer; default: in a year.")]
MOST, MOST_SITES = 1_000_000, 10_000  # as `app.node.offering.wishes` has them

CountOption = Annotated[
    int | None,
    typer.Option("--count", min=0, max=MOST, help="Uses per agreement; default: 20; 0: without bound."),
]
MinSitesOption = Annotated[
    int | None,
    typer.Option(
        "--min-sites",
        min=1,
        max=MOST_SITES,
        help="Hospitals in each sum, besides one that may tell what it sees; default: 3.",
    ),
]
HolderOption = Annotated[
    list[str] | None,
    typer.Option("--holder", help="Train only together with this hospital (DID); may be repeated. Default: any."),
]
QuestionsOption = Annotated[
    int | None,
    typer.Option(
        "--questions", min=0, max=MOST, help="Questions a year, of all users; default: a tenth of the patients."
    ),
]


class PublishedFigure(StrEnum):
    """What the catalogue may say of the content of a dataset."""

    SIZE = "size"
    MISSING = "missing"
    NOTHING = "nothing"


PublishOption = Annotated[
    list[PublishedFigure] | None,
    typer.Option(
        "--publish",
        help="What the catalogue says of its content, in coarse steps: size, missing (values), nothing; "
        "may be repeated.",
    ),
]


def published(said: list[PublishedFigure] | None) -> list[str] | None:
    """The figures that were named; None where nothing was said, and none where `nothing` was."""
    return None if said is None else [one.value for one in said if one is not PublishedFigure.NOTHING]
