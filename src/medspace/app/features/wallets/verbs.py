"""Commands of the data office for wallets of patients: list, invite, retire, forms, form."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.confirming import YesOption, insist
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.session import session
from medspace.app.features.wallets import client
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

LARGEST_FORM = 64 * 1024  # bytes

app = typer.Typer(
    help="Wallets of your patients: invite them, publish what you ask consent for, retire lost ones.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PatientArgument = Annotated[str, typer.Argument(help="The patient, as your own records know them.")]


class FormFileError(InvalidInputError):
    """A file that holds no form."""

    code = "wallets.form_file"
    sentence = msgid("{file} holds no form of consent: {reason}.")
    next_step = msgid("Write it as the page docs/wallets.md shows.")


@app.callback()
def wallets(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Wallets of patients; without a verb, the patients with a wallet are listed."""
    if context.invoked_subcommand is None:
        with session(client, config, json=json, language=lang) as (space, screen):
            found = space.wallet_patients()
            title = counted(len(found), msgid("{count} patient"), msgid("{count} patients"))
            columns = [Text(one) for one in (msgid("patient"), msgid("devices"), msgid("consents"))]
            rows = [(one["patient"], one["keys"], one["consents"]) for one in found]
            screen.show({"patients": found}, lambda: screen.table(title, columns, rows))


@app.command("invite")
def invite(
    patient: PatientArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Invite a patient who is with you: a link for the wallet, and a number that you tell them beside it."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.invite_patient(patient)
        told = msgid(
            "The number is {pin}. Tell it only to the patient. Link for a wallet, and page with it, until {expires}:"
        )

        def people() -> None:
            screen.line(Text(told, {"pin": made["pin"], "expires": made["expires"]}))
            for address in (made["link"], made["page"]):
                screen.line(Text("{link}", {"link": address}))

        screen.show(made, people)


@app.command("retire")
def retire(
    patient: PatientArgument,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Have no wallet stand for a patient any more; what they consented to stays as it is."""
    with session(client, config, json=json, language=lang) as (space, screen):
        insist(screen, Text(msgid("No wallet will stand for {patient} any more."), {"patient": patient}), yes=yes)
        found = space.retire_wallets(patient)
        told = Text(
            msgid("{count} keys stand for {patient} no longer."), {"count": found["retired"], "patient": patient}
        )
        screen.show(found, lambda: screen.line(told))


@app.command("forms")
def forms(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List what you ask patients for."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.consent_forms()
        title = counted(len(found), msgid("{count} form"), msgid("{count} forms"))
        columns = [Text(one) for one in (msgid("form"), msgid("version"), msgid("purpose"), msgid("title"))]
        words = "zh" if screen.language.startswith("zh") else "en"
        rows = [(one["id"], one["version"], one["purpose"], one["words"][words]["title"]) for one in found]
        screen.show({"forms": found}, lambda: screen.table(title, columns, rows))


@app.command("form")
def form(
    name: Annotated[str, typer.Argument(help="A short name: letters a-z, digits, hyphens.")],
    file: Annotated[Path, typer.Argument(help="Purpose, words (en, zh) and FHIR provision, as JSON.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Publish what patients are asked for; a form that changes is the next version, and asks anew."""
    content = _form(file)
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.publish_consent_form(name, content)
        facts = {"form": made["id"], "version": made["version"]}
        told = Text(msgid("Patients are asked for {form}, version {version}."), facts)
        screen.show(made, lambda: screen.line(told))


def _form(file: Path) -> dict[str, object]:
    from medspace.core.decoding import json_of  # noqa: PLC0415 - keeps --help fast
    from medspace.core.misfits import MisfitError  # noqa: PLC0415 - as above

    try:
        content = file.read_bytes()
        found = json_of(content) if len(content) <= LARGEST_FORM else None
    except OSError:
        raise FormFileError(file=str(file), reason=Text(msgid("it cannot be read"))) from None
    except MisfitError as error:
        raise FormFileError(file=str(file), reason=error.reason) from None
    if not isinstance(found, dict):
        raise FormFileError(file=str(file), reason=Text(msgid("it is not a JSON object")))
    return found
