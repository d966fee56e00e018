"""Commands for issuers and credentials: issuers, issuers trust, narrow, received, issue, issued, revoke, refresh."""

from typing import Annotated

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.issuers import client
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

app = typer.Typer(
    help="Whom to believe for which credentials; what others have proved here, and what you issue.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
TypeOption = Annotated[str, typer.Option("--type", help="The type, such as EthicsApproval.")]


class ClaimError(InvalidInputError):
    """A claim is not a name and a value."""

    code = "issuers.claim"
    sentence = msgid("{said} is not a claim.")
    next_step = msgid("Write it as NAME=VALUE, such as study=heart.")


@app.callback()
def issuers(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Whom to believe for which credentials; without a verb, they are listed."""
    if context.invoked_subcommand is None:
        show_list(config, json, lang)


@app.command("list")
def show_list(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List who is believed for which credentials, as the authority has signed it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.issuers()
        screen.show(found, lambda: _believed(screen, found))


@app.command("refresh")
def refresh(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Fetch the list from the authority now."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.refresh_issuers()
        screen.show(found, lambda: _believed(screen, found))


@app.command("trust")
def trust(
    did: Annotated[list[str], typer.Argument(help="The issuers' DIDs; `-` for nobody any more.")],
    type_: TypeOption,
    claim: Annotated[
        list[str] | None, typer.Option("--claim", help="A claim that counts; may be repeated; default: all.")
    ] = None,
    where: Annotated[str, typer.Option("--where", help="Where people get such a credential: an address.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """As the authority: believe these issuers for a type of credentials, and nobody else."""
    named = [one for one in did if one != "-"]
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.believe(type_, named, claims=claim or None, where=where)
        screen.show(found, lambda: _believed(screen, found))


@app.command("narrow")
def narrow(
    type_: TypeOption,
    did: Annotated[list[str] | None, typer.Argument(help="The issuers that you believe; none: nobody.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Believe all whom the authority believes again.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Believe fewer issuers for a type than the authority does; what runs with the others ends at once."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.narrow_issuers(type_, None if everybody else did or [])
        screen.show(found, lambda: _believed(screen, found))


@app.command("received")
def received(
    subject: Annotated[str, typer.Option("--of", help="Only those about this participant, by its DID.")] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List what others have proved here, until when it counts, and by whom it was issued."""
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(
            screen,
            "credentials",
            lambda n: space.received_credentials(subject=subject, most=n),
            most,
            lambda found: _received(screen, found),
        )


@app.command("issued")
def issued(
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List the credentials that you have issued."""
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(
            screen,
            "credentials",
            lambda n: space.issued_credentials(most=n),
            most,
            lambda found: _issued(screen, found),
        )


@app.command("issue")
def issue(
    subject: Annotated[str, typer.Argument(help="Whom it is about, by DID.")],
    type_: TypeOption,
    until: Annotated[str, typer.Option("--until", help="When it ends, such as 2027-12-31T23:59:59Z.")],
    claim: Annotated[
        list[str] | None, typer.Option("--claim", help="What it says, as NAME=VALUE; may be repeated.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Whom it is sent to as well, such as a data holder; repeatable.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Sign a credential about a participant, and have it sent to it and to data holders."""
    claims: dict[str, str] = {}
    for said in claim or ():
        name, mark, value = said.partition("=")
        if not mark or not name:
            raise ClaimError(said=said[:200])
        claims[name] = value
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.issue_credential(subject, [type_], until, claims=claims, receivers=to or ())
        facts = {"credential": made["id"], "until": made["until"]}
        screen.show(made, lambda: screen.line(Text(msgid("Issued {credential}, until {until}."), facts)))


@app.command("revoke")
def revoke(
    credential: Annotated[str, typer.Argument(help="Its id, as `medspace issuers issued` shows it.")],
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Revoke a credential that you have issued: whoever was sent it is told at once."""
    with session(client, config, json=json, language=lang) as (space, screen):
        insist(screen, Text(msgid("Whatever runs with {credential} ends."), {"credential": credential}), yes=yes)
        made = space.revoke_issued(credential)
        screen.show(made, lambda: screen.line(Text(msgid("Revoked {credential}."), {"credential": credential})))


def _believed(screen: Screen, found: JsonObject) -> None:
    rows = [
        (one["type"], screen.typed(*(who["name"] or who["did"] for who in one["issuers"])), one["where"])
        for one in found["issuers"]
    ]
    title = counted(len(rows), msgid("{count} type of credentials"), msgid("{count} types of credentials"))
    screen.table(title, [Text(msgid("type")), Text(msgid("believed")), Text(msgid("where to get it"))], rows)


def _received(screen: Screen, found: list[JsonObject]) -> None:
    columns = [
        Text(one) for one in (msgid("credential"), msgid("about"), msgid("by"), msgid("counts until"), msgid("state"))
    ]
    rows = [
        (
            screen.typed(*one["words"]),
            one["name"] or one["subject"],
            one["issuer_name"] or one["issuer"],
            one["counts_until"] or "-",
            one["said"],
        )
        for one in found
    ]
    screen.table(_count(found), columns, rows)


def _issued(screen: Screen, found: list[JsonObject]) -> None:
    columns = [Text(one) for one in (msgid("id"), msgid("type"), msgid("about"), msgid("until"), msgid("revoked"))]
    rows = [
        (one["id"], screen.typed(*one["types"]), one["name"] or one["subject"], one["until"], one["revoked"] or "-")
        for one in found
    ]
    screen.table(_count(found), columns, rows)


def _count(found: list[JsonObject]) -> Text:
    return counted(len(found), msgid("{count} credential"), msgid("{count} credentials"))
