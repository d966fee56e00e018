"""The command for the hospitals with which one's own datasets are summed under masks."""

from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.sites import client
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid


def sites(
    dataset: Annotated[str, typer.Argument(help="One of your own datasets.")],
    wanted: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="A hospital of another set, by its DID, your own among them; repeat it for each."
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Put that set in force; without it, only what it would expose is said.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show with whom a dataset is summed up under masks, what another set would expose, or change to it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.set_sites(dataset, wanted, accept=accept) if wanted else space.sites(dataset)
        screen.show(found, lambda: _show(screen, found, wanted or (), accepted=accept))


def _show(screen: Screen, found: JsonObject, wanted: "list[str] | tuple[()]", *, accepted: bool) -> None:
    facts = {"dataset": found["dataset"], "sites": ", ".join(found["sites"])}
    said = msgid("{dataset} is summed up under masks together with just these hospitals: {sites}.")
    nobody = msgid(
        "{dataset} has not been summed under masks yet; its contract or the first run decides with which hospitals."
    )
    screen.line(Text(said if found["sites"] else nobody, facts))
    for one in found["sets"]:
        screen.line(Text(msgid("  - totals may have been opened over {sites}"), {"sites": ", ".join(one)}))
    if wanted:
        _exposes(screen, found["exposes"])
    if wanted and not accepted:
        screen.line(Text(msgid("Nothing was changed; add --accept to change it.")))


def _exposes(screen: Screen, exposes: JsonObject) -> None:
    """What the change reveals, worst last."""
    difference = msgid("  - The difference to totals over a set before is made of the numbers of {sites} only.")
    for one in exposes["differences"]:
        screen.line(Text(difference, {"sites": ", ".join(one)}))
    nearly = msgid("  - Once others are summed up in the set {sites}, the numbers of {site} follow, and of no other.")
    for site, more in exposes["nearly"].items():
        screen.line(Text(nearly, {"site": site, "sites": ", ".join(more)}))
    if exposes["given_away"]:
        away = msgid("  - It gives away the numbers of {sites}: they follow from the totals over all these sets.")
        screen.line(Text(away, {"sites": ", ".join(exposes["given_away"])}))
