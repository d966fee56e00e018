"""The verbs on accounts of the portal, and the one that opens it."""

import os
import sys
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption, following
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.accounts import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

if TYPE_CHECKING:
    from medspace.app.features.accounts.sdk import AccountsClient

app = typer.Typer(no_args_is_help=True, help="Accounts of the people who use the portal.")

ROLES = ("steward", "user", "checker", "auditor", "authority", "patient", "owner")  # a test compares them
# What each role is for, as help shows it: each a paragraph of its own.
_ROLES = "".join(
    f"\n\n{one}"
    for one in (
        msgid("steward: offers data, sets the terms, and decides on contracts."),
        msgid("user: finds data of others, agrees on contracts, and trains."),
        msgid("checker: lets results go, or keeps them back."),
        msgid("auditor: reads the log and what it proves."),
        msgid("authority: admits and removes members of the space."),
        msgid("patient: sees what happened to their own data."),
        msgid("owner: may do everything, accounts included."),
    )
)
PLAIN = "{address}"
FIRST = "&next=%2Fportal%2Fsetup"  # where the first visit leads: to what a new connector still needs
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

NameArgument = Annotated[str, typer.Argument(help="Whose it is: the name, or the identity that the list shows.")]
RoleOption = Annotated[
    list[str], typer.Option("--role", help=f"What they are here; may be repeated: {', '.join(ROLES)}.")
]


class RoleUnknownError(InvalidInputError):
    """A role that no account has."""

    code = "account.role_unknown"
    sentence = msgid("{role} is not a role of an account.")
    next_step = msgid("Use some of these: {roles}.")


class NameUnknownError(InvalidInputError):
    """A name that no account has."""

    code = "account.name_unknown"
    sentence = msgid("No account has the name {name}.")
    next_step = msgid("`medspace account list` lists them.")


@app.command("new", help=msgid("Make an account for a person; sign them in with `medspace account link`.") + _ROLES)
def new(
    name: Annotated[str, typer.Argument(help="The name of a person; they are one actor with their tokens.")],
    role: RoleOption,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Make an account for a person."""
    _check(role)
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.new_account(name, role)
        screen.show(made, lambda: _is(screen, made))
        screen.line(following(f"medspace account link {quote(made['name'])}", config))


def _is(screen: Screen, made: JsonObject) -> None:
    facts = {"name": made["name"], "roles": screen.typed(*made["roles"])}
    screen.line(Text(msgid("{name} has an account as {roles}."), facts))


@app.command("list")
def listed(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List the accounts: whose they are, and as what."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.accounts()
        screen.show({"accounts": found}, lambda: _listed(screen, found))


def _listed(screen: Screen, found: Sequence[JsonObject]) -> None:
    title = counted(len(found), msgid("{count} account"), msgid("{count} accounts"))
    screen.blocks(title, [_block(screen, one) for one in found])


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {"roles": screen.typed(*one["roles"]), "time": one["created"]}
    closed = [screen.say(Text(msgid("closed at {time}"), {"time": one["closed"]}))] if one["closed"] else []
    return (
        one["name"] or "-",
        screen.say(Text(msgid("{roles}, since {time}"), facts)),
        *closed,
        screen.say(Text(msgid("in the log: {actor}"), {"actor": one["id"]})),
    )


@app.command("roles", help=msgid("Give an account these roles in place of those it has; it counts at once.") + _ROLES)
def roles(
    name: NameArgument,
    role: RoleOption,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Give an account other roles."""
    _check(role)
    with session(client, config, json=json, language=lang) as (space, screen):
        changed = space.account_roles(_account(space, name), role)
        screen.show(changed, lambda: _is(screen, changed))


@app.command("close")
def close(
    name: NameArgument,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the name as well, where no token of that name counts.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Close an account: its sessions end, its links and passkeys count no more. Its tokens are revoked apart."""
    with session(client, config, json=json, language=lang) as (space, screen):
        closed = space.close_account(_account(space, name), forget=forget)
        said = msgid("The account of {name} is closed. Tokens of that name still count: `medspace token list`.")
        gone = msgid("The account of {name} is closed, and the name is deleted.")
        told = Text(said if closed["name"] else gone, {"name": name})
        screen.show(closed, lambda: screen.line(told))


@app.command("link")
def link(
    name: NameArgument,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove their passkeys and end their sessions first, as after a loss.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Make a link that signs a person in once. Hand it over in person or by a channel that nobody else reads."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.account_link(_account(space, name), reset=reset)
        screen.show(made, lambda: _made(screen, made))


def portal(
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in the browser, where there is a display.")
    ] = True,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Sign in at the portal: make a link that counts once, and open it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.portal_link()
        if made["first"]:
            made["url"] += FIRST
        screen.show(made, lambda: _made(screen, made))
    if browser and not json and has_display(os.environ, sys.platform):
        typer.launch(made["url"])


def _made(screen: Screen, made: JsonObject) -> None:
    facts = {"name": made["name"] or made["account"], "time": made["expires"]}
    screen.line(Text(msgid("This signs in {name} once, until {time}:"), facts))
    screen.line(Text(PLAIN, {"address": made["url"]}))


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser that is opened here can be seen by whoever asks."""
    if environment.get("SSH_CONNECTION"):
        return False
    return platform in ("darwin", "win32") or any(environment.get(name) for name in DISPLAYS)


def _check(given: Sequence[str]) -> None:
    for one in given:
        if one not in ROLES:
            raise RoleUnknownError(role=one, roles=", ".join(ROLES))


def _account(space: "AccountsClient", name: str) -> str:
    """The identity of the account of that name or identity."""
    found = [one["id"] for one in space.accounts() if name in (one["name"], one["id"])]
    if not found:
        raise NameUnknownError(name=name)
    return str(found[0])
