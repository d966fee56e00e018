"""Commands for the members of the space: members, admit, remove."""

from typing import Annotated

import typer

from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.members import client
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

NOT_IN_ORDER = 1


def members(
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List who belongs to the space, as its authority signed it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(screen, "members", lambda n: space.members(most=n), most, lambda found: _members(screen, found))


def _members(screen: Screen, found: list[JsonObject]) -> None:
    columns = [Text(c) for c in (msgid("name"), msgid("region"), msgid("roles"), "DID")]
    rows = [(m["name"], screen.named(m["region"]), screen.named(*m["roles"]), m["did"]) for m in found]
    title = counted(len(found), msgid("{count} member"), msgid("{count} members"))
    screen.table(title, columns, rows)


def admit(
    did: Annotated[str, typer.Argument(help="The DID of the participant.")],
    name: Annotated[str, typer.Option("--name", help="Its name; default: its DID.")] = "",
    region: Annotated[str, typer.Option("--region", help="Where it is, such as EU or US.")] = "",
    role: Annotated[list[str] | None, typer.Option("--role", help="Such as holder or user; may be repeated.")] = None,
    operator: Annotated[str, typer.Option("--operator", help="Who runs it, by DID; default: itself.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: put a running participant on the signed members list."""
    with session(client, config, json=json, language=lang) as (space, screen):
        member = space.admit(did, name=name or did, region=region, roles=role or (), operator=operator)
        text = Text(
            msgid("{name} is a member now; its key is {key}."),
            {"name": member["name"], "key": member["public_key"]},
        )
        screen.show(member, lambda: screen.line(text))
        if member["name"] == did:
            screen.line(Text(msgid("It has no name yet: admit it again with --name to give it one.")))


def remove(
    did: Annotated[str, typer.Argument(help="The DID of the member.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: take a member off the signed list; the others hear of it within an hour."""
    with session(client, config, json=json, language=lang) as (space, screen):
        removed = space.remove(did)
        screen.show(removed, lambda: screen.line(Text(msgid("{did} is no longer a member."), {"did": did})))
