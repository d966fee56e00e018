"""Commands for the rulebook: classes, consents, laws."""

from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.rulebook import client
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid

app = typer.Typer(help="What terms can say, and what of it holds by itself.", no_args_is_help=True)


DiseaseOption = Annotated[
    str, typer.Option("--disease", help="Codes of ICD-10 that a code leaves open, such as I00-I99.")
]


@app.callback()
def rulebook() -> None:
    """What terms can say, and what of it holds by itself."""


@app.command("classes")
def classes(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Show the 21 usage policy classes of the International Data Spaces: where each is enforced, or why it is not."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.usage_classes()
        screen.show({"classes": found}, lambda: _classes(screen, found))


@app.command("consents")
def consents(
    code: Annotated[
        list[str] | None, typer.Argument(help="Codes to turn into terms, such as HMB; without any, all are listed.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option("--region", help="A place that a code leaves open.")] = None,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help="A user that a code leaves open.")
    ] = None,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="A purpose that a code leaves open.")] = None,
    disease: DiseaseOption = "",
    elapsed: Annotated[str, typer.Option("--for", help="A duration that a code leaves open, such as P180D.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show the codes of the Data Use Ontology, or turn some of them into terms."""
    lists: dict[str, Json] = {"regions": region, "recipients": recipient, "purposes": purpose}
    values = lists | {"elapsed": elapsed, "disease": disease}
    given = {name: value for name, value in values.items() if value}
    with session(client, config, json=json, language=lang) as (space, screen):
        if code:
            made = space.consent_terms(code, **given)
            screen.show(made, lambda: _contract(screen, made))
        else:
            found = space.consent_codes()
            screen.show({"consents": found}, lambda: _consents(screen, found))


@app.command("laws")
def laws(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Show the rule packs that a label may name, article by article. A legal reading, not legal advice."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.rule_packs()
        screen.show({"laws": found}, lambda: _laws(screen, found))


def _contract(screen: Screen, made: JsonObject) -> None:
    for line in made["contract"]:
        screen.line(Text("{sentence}", {"sentence": line}))


def _classes(screen: Screen, found: list[JsonObject]) -> None:
    heads = [Text(msgid("class")), Text(msgid("what it says")), Text(msgid("enforced"))]
    screen.table(
        Text(msgid("Usage policy classes")), heads, [(one["class"], one["words"], one["place"]) for one in found]
    )


def _consents(screen: Screen, found: list[JsonObject]) -> None:
    heads = [
        Text(msgid("code")),
        Text(msgid("short")),
        Text(msgid("what it says")),
        Text(msgid("why it is not enforced")),
    ]
    rows = [(one["code"], one["short"] or "-", one["words"], one["why"] or "-") for one in found]
    screen.table(Text(msgid("Codes of consent")), heads, rows)


def _laws(screen: Screen, found: list[JsonObject]) -> None:
    heads = [Text(msgid("pack")), Text(msgid("article")), Text(msgid("what it says"))]
    rows = [(one["law"], rule["article"], rule["words"]) for one in found for rule in one["rules"]]
    screen.table(Text(msgid("Rule packs: a legal reading, not legal advice")), heads, rows)
