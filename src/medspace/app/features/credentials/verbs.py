"""Commands for credentials: credentials list, request, present; as an issuer grant, refuse, revoke."""

from typing import Annotated

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.credentials import client
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

app = typer.Typer(
    help="Credentials: what you hold, ask for, show and, as an issuer, grant, refuse and revoke.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
RequestArgument = Annotated[str, typer.Argument(help="The request's id, as `medspace credentials list` shows it.")]


@app.command("list")
def listed(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List the credentials that you hold, asked for, were offered and issued, and the requests to decide on."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = {**space.credentials(), "waiting": space.waiting_credentials()}
        screen.show(found, lambda: _tables(screen, found))


def _tables(screen: Screen, found: JsonObject) -> None:
    held = [(one["type"], one["issuer"], one["until"] or "-") for one in found["held"]]
    asked = [(", ".join(one["credentials"]), one["issuer"], one["state"]) for one in found["requests"]]
    offered = [(", ".join(one["types"]), one["issuer"]) for one in found["offers"]]
    issued = [(one["id"], one["type"], one["holder"], one["revoked"] or "-") for one in found["issued"]]
    title = counted(len(held), msgid("{count} credential held"), msgid("{count} credentials held"))
    screen.table(title, [Text(one) for one in (msgid("type"), msgid("issuer"), msgid("until"))], held)
    if asked:
        title = counted(len(asked), msgid("{count} request"), msgid("{count} requests"))
        screen.table(title, [Text(one) for one in (msgid("asked for"), msgid("issuer"), msgid("state"))], asked)
    if offered:
        title = counted(len(offered), msgid("{count} offer"), msgid("{count} offers"))
        screen.table(title, [Text(one) for one in (msgid("offered"), msgid("issuer"))], offered)
    _waiting(screen, found["waiting"])
    if issued:
        title = counted(len(issued), msgid("{count} credential issued"), msgid("{count} credentials issued"))
        columns = [Text(one) for one in (msgid("credential"), msgid("type"), msgid("holder"), msgid("revoked"))]
        screen.table(title, columns, issued)


def _waiting(screen: Screen, waiting: list[JsonObject]) -> None:
    if not waiting:
        return
    title = counted(len(waiting), msgid("{count} request to decide on"), msgid("{count} requests to decide on"))
    columns = [Text(one) for one in (msgid("request"), msgid("asked for"), msgid("holder"), msgid("claims to state"))]
    rows = [
        (one["id"], ", ".join(one["credentials"]), one["name"] or one["holder"], ", ".join(one["stated"]) or "-")
        for one in waiting
    ]
    screen.table(title, columns, rows)


@app.command("request")
def request(
    issuer: Annotated[str, typer.Argument(help="The DID of the issuer.")],
    credential: Annotated[str, typer.Argument(help="The type of the credential, such as MembershipCredential.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Ask an issuer for a credential; it is delivered once the issuer has decided."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.request_credential(issuer, credential)
        said = Text(
            msgid("{issuer} has taken the request for {credential}."), {"issuer": issuer, "credential": credential}
        )
        screen.show(made, lambda: screen.line(said))


@app.command("present")
def present(
    credential: Annotated[str, typer.Argument(help="The type of the credential.")],
    to: Annotated[str, typer.Option("--to", help="The DID of who may read it; nobody else can use it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Sign a presentation of your newest credential of a type for one reader; valid for five minutes."""
    with session(client, config, json=json, language=lang) as (space, screen):
        shown = space.present_credential(credential, to)
        screen.show(shown, lambda: screen.line(Text(shown["presentation"])))


@app.command("grant")
def grant(
    request: RequestArgument,
    claim: Annotated[
        list[str] | None, typer.Option("--claim", help="A claim that is yours to state: NAME=VALUE; may be repeated.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As an issuer: issue what a request asks for."""
    claims = dict(_claim(one) for one in claim or ())
    with session(client, config, json=json, language=lang) as (space, screen):
        granted = space.grant_credential(request, claims=claims)
        said = Text(msgid("{holder} gets {credentials}."), _facts(granted))
        screen.show(granted, lambda: screen.line(said))


@app.command("refuse")
def refuse(
    request: RequestArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; the holder is told.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As an issuer: refuse a request."""
    with session(client, config, json=json, language=lang) as (space, screen):
        refused = space.refuse_credential(request, reason)
        said = Text(msgid("{holder} does not get {credentials}, and is told why."), _facts(refused))
        screen.show(refused, lambda: screen.line(said))


def _claim(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise typer.BadParameter(text, param_hint="--claim")
    return name, value


def _facts(one: JsonObject) -> dict[str, str]:
    return {"holder": one["name"] or one["holder"], "credentials": ", ".join(one["credentials"])}


@app.command("revoke")
def revoke(
    credential: Annotated[str, typer.Argument(help="Its id, as `medspace credentials list` shows it.")],
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the issuer: take a credential back, for good."""
    with session(client, config, json=json, language=lang) as (space, screen):
        said = Text(msgid("{credential} will never be valid again."), {"credential": credential})
        insist(screen, said, yes=yes)
        done = Text(msgid("{credential} is revoked."), {"credential": credential})
        revoked = space.revoke_credential(credential)
        screen.show(revoked, lambda: screen.line(done))
