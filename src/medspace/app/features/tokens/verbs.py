"""Commands for tokens: who may act for this participant, what each may do, and until when."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.adapters.oswords import why
from medspace.app.doors.cli.errors import FileNotWrittenError
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.tokens import client
from medspace.core.actors import Scope
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import Text, counted, msgid

if TYPE_CHECKING:
    from medspace.app.features.tokens.sdk import TokensClient

app = typer.Typer(no_args_is_help=True, help="Tokens for people and programs that act for you.")

PLAIN = "{token}"
_STATES = {"counts": msgid("counts"), "expired": msgid("expired"), "revoked": msgid("revoked")}
_KINDS = {"owner": msgid("owner"), "person": msgid("person"), "program": msgid("program"), "": "-"}


class ScopeUnknownError(InvalidInputError):
    """An unknown scope for a token."""

    code = "token.scope_unknown"
    sentence = msgid("{scope} is not a scope of a token.")
    next_step = msgid("Use some of these: {scopes}.")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="For whom it is: a program, or a person with --person.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"What for; may be repeated: {', '.join(Scope)}. The default is read."),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="For how many days it counts.")] = 90,
    person: Annotated[bool, typer.Option("--person", help="It is for a person, not a program.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write it into this new private file; do not show it."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Make a token. It is shown once; nobody can show it again."""
    scopes = scope or [Scope.READ.value]
    for one in scopes:
        if one not in set(Scope):
            raise ScopeUnknownError(scope=one, scopes=", ".join(Scope))
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.new_token(name, scopes, days=days, person=person)
        if out is not None:
            _write(space, made, out)
        screen.show(made, lambda: _made(screen, made, out))


def _write(space: "TokensClient", made: JsonObject, out: Path) -> None:
    """Store the token in a file; if that fails, it is revoked, since nobody can ever read it."""
    from medspace.adapters.keys import write_secret  # noqa: PLC0415 - cryptography comes with it

    try:
        write_secret(out, f"{made.pop('text')}\n".encode())
    except (OSError, RefusedError) as error:
        space.revoke_token(made["id"])
        if isinstance(error, RefusedError):
            raise
        raise FileNotWrittenError(file=str(out), reason=why(error)) from error


def _made(screen: Screen, made: JsonObject, out: Path | None) -> None:
    facts = {"id": made["id"], "name": made["name"], "scopes": ", ".join(made["scopes"]), "expires": made["expires"]}
    screen.line(Text(msgid("Token {id} for {name}: it may {scopes}, until {expires}."), facts))
    if out is not None:
        screen.line(Text(msgid("It is in {file}: use it with --token-file."), {"file": str(out)}))
        return
    screen.line(Text(msgid("It is shown this once; use it as MEDSPACE_TOKEN:")))
    screen.line(Text(PLAIN, {"token": made["text"]}))


@app.command("list")
def listed(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List the tokens: whose they are, what for, until when."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.tokens()
        screen.show({"tokens": found}, lambda: _listed(screen, found))


def _listed(screen: Screen, found: list[JsonObject]) -> None:
    title = counted(len(found), msgid("{count} token"), msgid("{count} tokens"))
    screen.blocks(title, [_block(screen, one) for one in found])


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    kind = screen.say(Text(_KINDS[one["kind"]]))
    state = screen.say(Text(_STATES[one["state"]]))
    head = f"{one['id']}  {one['name'] or '-'} ({kind}), {state}"
    facts = {"scopes": ", ".join(one["scopes"]), "expires": one["expires"], "used": one["used"] or "-"}
    maker = {"maker": one["made_by_name"] or one["made_by"], "time": one["created"]}
    return (
        head,
        screen.say(Text(msgid("may {scopes} until {expires}; last used {used}"), facts)),
        screen.say(Text(msgid("made by {maker} at {time}"), maker)),
        screen.say(Text(msgid("in the log: {actor}"), {"actor": one["actor"]})),
    )


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Its identity, as `medspace token list` shows it.")],
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the name as well, once no token of that name counts.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """From now on a token counts for nothing, nor do those that were made with it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        done = space.revoke_token(token, forget=forget)
        screen.show(done, lambda: _revoked(screen, done, forget=forget))


def _revoked(screen: Screen, done: JsonObject, *, forget: bool) -> None:
    screen.line(counted(len(done["revoked"]), msgid("{count} token revoked"), msgid("{count} tokens revoked")))
    if forget:
        screen.line(
            Text(
                msgid("The name is deleted; the log keeps only the pseudonym.")
                if done["forgotten"]
                else msgid("The name stays: another token of that name still counts. `medspace token list` shows it.")
            )
        )
