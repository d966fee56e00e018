"""Commands for the ML-DSA-65 keys of a connector: keys show, rotate, revoke, take."""

from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.members import client
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

app = typer.Typer(
    help="The ML-DSA-65 keys, which sign beside Ed25519.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("show")
def show(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List one's own keys, with the time that each counts for."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.keys()
        columns = [Text(c) for c in (msgid("key"), msgid("since"), msgid("until"), msgid("revoked"), msgid("listed"))]
        yes, no = screen.say(Text(msgid("yes"))), screen.say(Text(msgid("no")))
        rows = [(k["key"], k["since"], k["until"], k["revoked"] or "-", yes if k["listed"] else no) for k in found]
        title = counted(len(found), msgid("{count} key"), msgid("{count} keys"))
        screen.show({"keys": found}, lambda: screen.table(title, columns, rows))


@app.command("rotate")
def rotate(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Make a new key. The ones before count for a day more: by then the authority must have taken it up."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made, did = space.rotate_key(), space.status()["did"]
        screen.show(
            made, lambda: _show_key(screen, Text(msgid("The new key is {key}."), {"key": made["key"]}), made, did)
        )


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The name of the key; see `medspace keys show`.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say that a key counts for nothing from now on; where it was the last one, a new one is made."""
    with session(client, config, json=json, language=lang) as (space, screen):
        gone, did = space.revoke_key(key), space.status()["did"]
        text = Text(msgid("The key {key} counts for nothing, once the members list says so."), {"key": key})
        screen.show(gone, lambda: _show_key(screen, text, gone, did))


@app.command("take")
def take(
    did: Annotated[str, typer.Argument(help="The DID of the member.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: take up the keys that a member's DID document shows now, on the signed members list."""
    with session(client, config, json=json, language=lang) as (space, screen):
        member = space.take_keys(did)
        valid = sum(not one["revoked"] for one in member["mldsa"])
        text = Text(msgid("Keys of {did} on the members list: {count}"), {"did": did, "count": valid})
        screen.show(member, lambda: screen.line(text))


def _show_key(screen: Screen, text: Text, key: JsonObject, did: str) -> None:
    """What was done; and, unless this is the authority itself, who needs to be told."""
    screen.line(text)
    if not key["published"]:
        screen.line(Text(msgid("Then the authority runs: medspace keys take {did}"), {"did": did}))
