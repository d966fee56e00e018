"""The terms of an offer on the command line: the options that `medspace init` and `medspace offer` share."""

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
