"""Commands for templates of one's own: terms, terms show, terms save, terms remove."""

from pathlib import Path
from typing import Annotated, Any

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.offers import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

app = typer.Typer(
    help="Templates of your own: terms under a name, to make offers from.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
NameArgument = Annotated[str, typer.Argument(help="The name of the template, as `medspace terms` shows it.")]
LARGEST = 64 * 1024  # bytes


class TermsFileError(InvalidInputError):
    """A file does not say the terms of a template, or none was named."""

    code = "template.file"
    sentence = msgid("There are no terms in {file}.")
    next_step = msgid("Name a dataset with --from, or a TOML file with `template` and a table `[terms]` with --file.")


@app.callback()
def terms(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Templates of your own: terms under a name, to make offers from. Without a verb, they are listed."""
    if context.invoked_subcommand is not None:
        return
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.own_templates()
        title = counted(len(found), msgid("{count} template"), msgid("{count} templates"))
        screen.show({"templates": found}, lambda: screen.blocks(title, [_block(screen, one) for one in found]))


@app.command("show")
def show(
    name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = ""
) -> None:
    """Show a template, with the contract that it makes in words."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.own_template(name)
        screen.show(found, lambda: screen.blocks(Text(name), [_block(screen, found)]))


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="What it is called: small letters, digits, points and hyphens.")],
    dataset: Annotated[str, typer.Option("--from", help="Save the terms of an offer of this dataset of yours.")] = "",
    offer: Annotated[int, typer.Option("--offer", min=0, help="Which offer, from 1, if there are several.")] = 0,
    file: Annotated[
        Path | None, typer.Option("--file", help="Save the terms of a TOML file: `template` and `[terms]`.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="What it is for, in words.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Save terms under a name, in place of what was there; no offer changes."""
    said: JsonObject = {"dataset": dataset, "offer": offer} if dataset else read_terms(file)
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.save_template(name, title=title, **said)
        screen.show(made, lambda: screen.blocks(Text(name), [_block(screen, made)]))


@app.command("remove")
def remove(
    name: NameArgument,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Remove a template; offers that were made from it stay as they are."""
    with session(client, config, json=json, language=lang) as (space, screen):
        insist(screen, Text(msgid("Remove the template {name}?"), {"name": name}), yes=yes)
        gone = space.remove_template(name)
        screen.show(gone, lambda: screen.line(Text(msgid("The template {name} is removed."), {"name": name})))


def read_terms(file: Path | None) -> JsonObject:
    """The template and its terms in a TOML file.

    Raises:
        TermsFileError: there is none, or it says something else.
    """
    import tomllib  # noqa: PLC0415 - keeps --help fast

    try:
        with (file or Path()).open("rb") as stream:
            said: dict[str, Any] = tomllib.loads(stream.read(LARGEST).decode())
    except (OSError, ValueError) as error:
        raise TermsFileError(file=str(file or "-")) from error
    if not set(said) <= {"template", "terms"} or not isinstance(said.get("terms"), dict):
        raise TermsFileError(file=str(file))
    plain = {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in said["terms"].items()
    }
    return {"template": str(said.get("template", "train-only")), "terms": plain}


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    told = Text(msgid("{title} ({template}, saved {saved})"), one)
    return (str(one["name"]), screen.say(told), *(f"- {sentence}" for sentence in one["contract"]))
