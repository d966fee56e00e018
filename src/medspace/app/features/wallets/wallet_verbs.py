"""Commands of a patient: new, receive, cards, forms, consent, withdraw, uses, invite, retire, recover."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.app.doors.cli.asking import yes as says_yes
from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

if TYPE_CHECKING:
    from medspace.app.features.wallets.wallet import KeptGiven, Wallet

PASSPHRASE = "MEDSPACE_WALLET_PASSPHRASE"  # noqa: S105 - the variable, not the passphrase
SHORTEST = 12  # characters

app = typer.Typer(
    help="A patient's own wallet: consent, see who used your data, withdraw.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WalletOption = Annotated[Path, typer.Option("--wallet", help="The file of the wallet.")]
DEFAULT_WALLET = Path("wallet.sealed")
HospitalOption = Annotated[
    str, typer.Option("--at", help="The hospital, by name or address, where there are several.")
]

# What withdrawal reaches is said before the first yes.
REACH = msgid(
    "If you withdraw later: no new use begins, uses that run leave you out at their next step, and models that were "
    "already released stay as they are."
)
TEACH_BACK = (
    (msgid("Can you withdraw this consent at any time?"), True),
    (msgid("Does withdrawing change models that were already released?"), False),
)


class WalletPassphraseError(InvalidInputError):
    """No passphrase, or a weak one."""

    code = "wallet.passphrase"
    sentence = msgid("The wallet needs a passphrase of at least {least} characters.")
    next_step = msgid("Type one that only you know, or set {variable}.")


class TeachBackError(InvalidInputError):
    """A question on the consent was answered as the form does not say."""

    code = "wallet.teach_back"
    sentence = msgid("That is not what the form says, so nothing was signed.")
    next_step = msgid("Read what withdrawal reaches once more, or ask the hospital; then answer again.")


def _passphrase(screen: Screen, *, new: bool) -> bytes:
    said = os.environ.get(PASSPHRASE, "")
    if not said:
        said = str(typer.prompt(screen.say(Text(msgid("Passphrase of the wallet"))), hide_input=True))
    if new and len(said) < SHORTEST:
        raise WalletPassphraseError(least=SHORTEST, variable=PASSPHRASE)
    return said.encode()


@contextmanager
def _opened(file: Path, *, json: bool, lang: str) -> "Iterator[tuple[Wallet, Screen]]":
    from medspace.app.features.wallets.wallet import Wallet  # noqa: PLC0415 - keeps --help fast

    screen = Screen(as_json=json, language=spoken_language(lang))
    with Wallet.open(file, _passphrase(screen, new=False), language=screen.language) as wallet:
        yield wallet, screen


@app.command("new")
def new(wallet: WalletOption = DEFAULT_WALLET, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Make a wallet; print its code and keep it apart: it is the way back if the wallet is lost."""
    from medspace.app.features.wallets.wallet import Wallet  # noqa: PLC0415 - as above

    screen = Screen(as_json=json, language=spoken_language(lang))
    with Wallet.new(wallet, _passphrase(screen, new=True)) as made:
        code = made.code
    told = Text(msgid("Print this code and keep it apart from the wallet: {code}"), {"code": code})
    screen.show({"wallet": str(wallet), "code": code}, lambda: screen.line(told))


@app.command("receive")
def receive(
    link: Annotated[str, typer.Argument(help="The invitation of the hospital (openid-credential-offer://...).")],
    number: Annotated[str, typer.Argument(help="The number that the hospital told you with it.")],
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Fetch the card of a hospital into the wallet."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        place = mine.receive(link, number)
        told = Text(msgid("The wallet has a card of {hospital}."), {"hospital": place.name})
        screen.show({"hospital": place.name, "origin": place.origin}, lambda: screen.line(told))


@app.command("recover")
def recover(
    hospital: Annotated[str, typer.Argument(help="The address of the hospital's wallet page.")],
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """With the printed code of a lost wallet, have a new one take its place at a hospital."""
    from medspace.app.features.wallets.wallet import Wallet  # noqa: PLC0415 - as above

    screen = Screen(as_json=json, language=spoken_language(lang))
    passphrase = _passphrase(screen, new=not wallet.exists())
    if wallet.exists():
        opened = Wallet.open(wallet, passphrase, language=screen.language)
    else:
        code = str(typer.prompt(screen.say(Text(msgid("The printed code")))))
        opened = Wallet.new(wallet, passphrase, code=code, language=screen.language)
    with opened as mine:
        place = mine.recover(hospital)
        told = Text(
            msgid("This wallet stands for you at {hospital} now; the lost one does no longer."),
            {"hospital": place.name},
        )
        screen.show({"hospital": place.name, "origin": place.origin}, lambda: screen.line(told))


@app.command("cards")
def cards(wallet: WalletOption = DEFAULT_WALLET, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List hospitals, and what you consented to and withdrew; sends what could not be sent before."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        waiting = mine.catch_up()
        found = [
            {"hospital": place.name, "origin": place.origin, **_consent(kept)}
            for place in mine.content.places
            for kept in place.consents
        ]
        shown: JsonObject = {
            "hospitals": [{"hospital": one.name, "origin": one.origin} for one in mine.content.places],
            "consents": found,
            "waiting": waiting,
        }
        columns = [Text(one) for one in (msgid("hospital"), msgid("form"), msgid("given"), msgid("withdrawn"), "id")]
        rows = [(one["hospital"], one["title"], one["time"], one["withdrawn"], one["id"]) for one in found]
        title = counted(len(found), msgid("{count} consent"), msgid("{count} consents"))

        def people() -> None:
            screen.table(title, columns, rows)
            if waiting:
                told = msgid("{count} withdrawals have not arrived everywhere yet; they are sent again next time.")
                screen.line(Text(told, {"count": waiting}))

        screen.show(shown, people)


@app.command("forms")
def forms(
    at: HospitalOption = "",
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List what a hospital asks its patients for, in plain words."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        found = mine.forms(mine.place(at))
        language = "zh" if screen.language.startswith("zh") else "en"

        def people() -> None:
            blocks = [
                (str(one["id"]), *(str(one["words"][language][name]) for name in ("title", "what", "who")))
                for one in found
            ]
            screen.blocks(counted(len(found), msgid("{count} form"), msgid("{count} forms")), blocks)
            screen.line(Text(REACH))

        screen.show({"forms": found}, people)


@app.command("consent")
def consent(
    form: Annotated[str, typer.Argument(help="What to consent to, as `medspace wallet forms` shows it.")],
    at: HospitalOption = "",
    yes: YesOption = False,
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Consent to one purpose of a hospital; two questions first, unless --yes says that you have read it."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        place = mine.place(at)
        screen.line(Text(REACH))
        if not yes:
            _teach_back(screen)
        kept = mine.consent(place, form)
        told = Text(msgid("You consented; the receipt is in the wallet: {id}"), {"id": kept.id})
        screen.show({"hospital": place.name, **_consent(kept)}, lambda: screen.line(told))


def _teach_back(screen: Screen) -> None:
    """Two questions, so that a yes is one.

    Raises:
        TeachBackError: one was answered as the form does not say.
    """
    for question, right in TEACH_BACK:
        if says_yes(screen, Text(question), default=not right) is not right:
            raise TeachBackError


@app.command("withdraw")
def withdraw(
    consent: Annotated[
        str, typer.Argument(help="The consent, by its form or id, as `medspace wallet cards` shows it.")
    ],
    yes: YesOption = False,
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Withdraw a consent: the hospital signs that it was told, and the authority when."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        reach = msgid(
            "No new use begins, uses that run leave you out at their next step, and models that were already "
            "released stay as they are."
        )
        insist(screen, Text(reach), yes=yes)
        kept = mine.withdraw(consent)
        stated = kept.withdrawal is not None and bool(kept.withdrawal.statement)
        told = msgid("Withdrawn: the hospital has signed that it was told, and the authority when.")
        later = msgid(
            "Withdrawn: the hospital has signed that it was told. The authority is told with the next command."
        )
        screen.show(_consent(kept), lambda: screen.line(Text(told if stated else later)))


@app.command("uses")
def uses(
    at: HospitalOption = "",
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """See who used your data, and for what."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        found = mine.uses(mine.place(at))
        language = "zh" if screen.language.startswith("zh") else "en"
        columns = [Text(one) for one in (msgid("time"), msgid("who"), msgid("purpose"), msgid("running"))]
        rows = [
            (one["time"], one["name"] or one["user"], one["words"][language], "x" if one["running"] else "")
            for one in found
        ]
        title = counted(len(found), msgid("{count} use"), msgid("{count} uses"))
        screen.show({"uses": found}, lambda: screen.table(title, columns, rows))


@app.command("invite")
def invite(
    guardian_until: Annotated[
        str, typer.Option("--guardian-until", help="For somebody who acts for you, until this day (2027-06-30).")
    ] = "",
    at: HospitalOption = "",
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Invite a second device of yours, or somebody who acts for you until a day."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        role = "guardian" if guardian_until else "self"
        made = mine.invite(mine.place(at), role=role, until=guardian_until)
        told = msgid("The number is {pin}; the link is good until {expires}:")

        def people() -> None:
            screen.line(Text(told, {"pin": made["pin"], "expires": made["expires"]}))
            screen.line(Text("{link}", {"link": made["link"]}))

        screen.show(made, people)


@app.command("devices")
def devices(
    retire: Annotated[str, typer.Option("--retire", help="The key of a device that was lost: it ends at once.")] = "",
    at: HospitalOption = "",
    wallet: WalletOption = DEFAULT_WALLET,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List which devices stand for you at a hospital, and end one that was lost."""
    with _opened(wallet, json=json, lang=lang) as (mine, screen):
        place = mine.place(at)
        if retire:
            mine.retire(place, retire)
        found = mine.refresh(place)["keys"]
        columns = [
            Text(one) for one in (msgid("device"), msgid("role"), msgid("since"), msgid("until"), msgid("ended"))
        ]
        rows = [(one["id"], one["role"], one["since"], one["until"], one["retired"]) for one in found]
        title = counted(len(found), msgid("{count} device"), msgid("{count} devices"))
        screen.show({"devices": found}, lambda: screen.table(title, columns, rows))


def _consent(kept: "KeptGiven") -> JsonObject:
    words = kept.form.get("words", {}).get("en", {})
    done = kept.withdrawal is not None and bool(kept.withdrawal.acknowledgement)
    withdrawn = str(kept.withdrawal.said["time"]) if done and kept.withdrawal is not None else ""
    return {
        "id": kept.id,
        "form": kept.form.get("id", ""),
        "title": words.get("title", ""),
        "time": kept.time,
        "withdrawn": withdrawn,
        "committed": bool(kept.withdrawal and kept.withdrawal.statement),
    }
