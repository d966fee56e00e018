"""`medspace source`: what is supported of FHIR, resources fetched from a server, a view drafted from them."""

import asyncio
import json as json_text
import shlex
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Text, msgid
from medspace.privacy.publication import LEAST

app = typer.Typer(help="FHIR resources, on the way to a table that can be offered.", no_args_is_help=True)
WORDS = {
    "views": msgid("views of the program"),
    "view_parts": msgid("parts of a view"),
    "functions": msgid("functions"),
    "operators": msgid("operators"),
    "values": msgid("values"),
    "most_rows_of_a_resource": msgid("rows of one resource, at most"),
}


@app.callback()
def source() -> None:
    """FHIR resources, on the way to a table that can be offered."""


@app.command("features")
def features(json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Show what views of FHIR resources may use; everything else is refused by name."""
    from medspace.adapters.fhir.supported import supported  # noqa: PLC0415 - few commands read resources

    screen = Screen(as_json=json, language=spoken_language(lang))
    found = supported()
    heads = [Text(msgid("kind")), Text(msgid("what is supported"))]
    rows = [(screen.say(Text(WORDS[name])), _line(value)) for name, value in found.items()]
    screen.show(found, lambda: screen.table(Text(msgid("SQL on FHIR 2 and its part of FHIRPath")), heads, rows))


def _line(value: Json) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command("view")
def view(
    folder: Annotated[Path, typer.Argument(help="A folder of FHIR resources in NDJSON, or one file.")],
    kind: Annotated[str, typer.Argument(help="The type of the resources, such as Observation.")],
    save: Annotated[Path | None, typer.Option("--save", help="A new file for the view.")] = None,
    min_cohort: Annotated[
        int, typer.Option("--min-cohort", min=LEAST, max=1_000_000, help="Patients that a component must have.")
    ] = LEAST,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Draft a view from resources: the program's own, as far as they fill it, and a column for each component."""
    from medspace.adapters.fhir.viewdrafting import drafted_view  # noqa: PLC0415 - few commands read resources
    from medspace.app.node.offering.drafting import save_text  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    drafted = drafted_view(folder, kind, min_cohort)
    if save is not None:
        save_text(save, json_text.dumps(drafted, indent=2, ensure_ascii=False) + "\n")
    screen.show(drafted, lambda: _shown(screen, folder, drafted, save))


@app.command("fetch")
def fetch(
    settings: Annotated[Path, typer.Argument(help="The file that says how the server is asked (TOML).")],
    folder: Annotated[Path, typer.Argument(help="The folder for the resources; made where it is not there.")],
    whole: Annotated[
        bool, typer.Option("--whole", help="Fetch everything anew, not only what changed since the last time.")
    ] = False,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Fetch the resources of a FHIR server that views need, by bulk export or search; goes on where it stopped."""
    from medspace.adapters.fhir.fetching import service  # noqa: PLC0415 - few commands read resources

    screen = Screen(as_json=json, language=spoken_language(lang))
    parts = service.FetchParts(tell=(lambda _: None) if json else screen.line)
    found = asyncio.run(service.fetch(settings, folder, whole=whole, parts=parts))
    screen.show(found, lambda: _fetched(screen, folder, found))


def _fetched(screen: Screen, folder: Path, found: JsonObject) -> None:
    heads = [Text(msgid("type")), Text(msgid("resources"))]
    rows = [(kind, str(count)) for kind, count in found["resources"].items()]
    screen.table(Text(msgid("Up to {time}"), {"time": found["until"]}), heads, rows)
    command = shlex.join(["medspace", "draft", f"fhir:{folder}"])
    screen.line(Text(msgid("Next: {command}"), {"command": command}))


@app.command("key")
def key(
    file: Annotated[Path, typer.Argument(help="The file of the private key; made where it is not there.")],
) -> None:
    """Print the public key that a FHIR server is told to let this program in (SMART backend services), as JSON."""
    from medspace.adapters.fhir.fetching.login import new_key, public_keys  # noqa: PLC0415 - as above

    if not file.exists():
        new_key(file)
    typer.echo(json_text.dumps(public_keys(file), indent=2))


def _shown(screen: Screen, folder: Path, drafted: JsonObject, save: Path | None) -> None:
    columns = drafted["select"][0]["column"]
    heads = [Text(one) for one in (msgid("column"), msgid("type"), msgid("path"))]
    rows = [(one["name"], one["type"], one["path"]) for one in columns]
    screen.table(Text("{view}", {"view": drafted["name"]}), heads, rows)
    if save is None:
        command = shlex.join(["medspace", "source", "view", str(folder), drafted["resource"], "--save", "view.json"])
    else:
        command = shlex.join(["medspace", "draft", f"fhir:{folder}", "--table", str(save), "--person", "patient"])
    screen.line(Text(msgid("Next: {command}"), {"command": command}))
