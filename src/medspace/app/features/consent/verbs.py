"""Commands for consents: import, withdraw, explain, dataset, renew, proof, receipt; audit consent-scope."""

import json as jsonlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from medspace.adapters.oswords import why
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.consent import client
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

BATCH = 200  # documents that are sent at once
LONGEST_LINE = 1 << 16  # bytes
LARGEST_FILE = 16 * 1024 * 1024  # bytes
OUTSIDE = 5  # exit code: something was not inside consent

app = typer.Typer(
    help="Consents of patients: import, withdraw, explain, datasets under consent.", no_args_is_help=True
)
PatientArgument = Annotated[str, typer.Argument(help="The patient, as the rows of the dataset name her.")]


class ConsentFileError(InvalidInputError):
    """A file that holds no consents."""

    code = "consent.file"
    sentence = msgid("{file} cannot be read at line {line}.")
    next_step = msgid("Write one FHIR resource per line (NDJSON), in UTF-8, at most 64 KiB each.")


class ConsentUnreadableError(InvalidInputError):
    """A file that is not there, may not be read, or holds something else."""

    code = "consent.file_unreadable"
    sentence = msgid("The file {file} cannot be read: {reason}.")
    next_step = msgid("Check the name of the file, and that it may be read.")


@app.command("import")
def record(
    file: Annotated[Path, typer.Argument(help="FHIR Consents, one per line (NDJSON).")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Record the consents in a file; of each, the highest version counts."""
    with session(client, config, json=json, language=lang) as (space, screen):
        total = {"new": 0, "same": 0, "old": 0, "ended": 0}
        for batch in _batches(file):
            found = space.record_consents(batch)
            total = {name: count + found[name] for name, count in total.items()}
        said = msgid("Recorded: {new} new, {same} known before, {old} older than what counts. Uses ended: {ended}.")
        screen.show(total, lambda: screen.line(Text(said, total)))


@app.command("withdraw")
def withdraw(
    patient: PatientArgument,
    consent: Annotated[str, typer.Option("--consent", help="Only this consent, by its id; default: all.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Record that a patient withdraws: no new use counts her, and those that run with her rows end."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.withdraw_consent(patient, consent)
        facts = {"count": len(found["withdrawn"]), "ended": found["ended"]}
        said = msgid("Consents withdrawn: {count}. Uses ended: {ended}. Models that left before stay as they are.")
        screen.show(found, lambda: screen.line(Text(said, facts)))


@app.command("explain")
def explain(
    patient: PatientArgument,
    user: Annotated[str, typer.Option("--user", help="For this user (DID).")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="For this purpose.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say what a patient allows, to whom, and by which provision of which consent."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.explain_consent(patient, user=user, purpose=purpose)
        heads = [Text(msgid("dataset")), Text(msgid("purpose")), Text(msgid("columns")), Text(msgid("answer"))]
        rows = [_answer(screen, one) for one in found["answers"]]
        title = Text(msgid("What {patient} allows"), {"patient": patient})
        screen.show(found, lambda: screen.table(title, [*heads, Text(msgid("by"))], rows))


@app.command("undecided")
def undecided(
    dataset: Annotated[str, typer.Argument(help="One of your datasets.")],
    purpose: Annotated[str, typer.Argument(help="The purpose of the use.")],
    user: Annotated[str, typer.Option("--user", help="For this user (DID).")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List the patients whose consents leave open whether a purpose reaches them: a person decides."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.undecided_patients(dataset, purpose, user=user)
        said = counted(len(found), msgid("{count} patient to decide on"), msgid("{count} patients to decide on"))
        screen.show({"patients": found}, lambda: screen.blocks(said, [(one,) for one in found]))


@app.command("decide")
def decide(
    patient: PatientArgument,
    dataset: Annotated[str, typer.Argument(help="One of your datasets.")],
    purpose: Annotated[str, typer.Argument(help="The purpose of the use.")],
    allow: Annotated[bool, typer.Option("--allow/--deny", help="Whether the purpose reaches the patient.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Decide where consents leave it open, until the patient says something new; a denial stays one."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.decide_consent(patient, dataset, purpose, allowed=allow, reason=reason)
        screen.show(made, lambda: screen.line(Text(msgid("Recorded as number {number}."), made)))


@app.command("dataset")
def dataset(
    dataset: Annotated[
        str, typer.Argument(help="One of your datasets; without it, all under consent are listed.")
    ] = "",
    column: Annotated[str, typer.Option("--column", help="The column that names the patients.")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="More terms, as JSON: see docs/consent.md.")] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Begin the next edition: newcomers count from now on.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Say how a dataset is used under consent, begin its next edition, or show how many patients it reaches."""
    with session(client, config, json=json, language=lang) as (space, screen):
        if column:
            shown = [space.put_consent_terms(dataset, column, **(_object(file) if file else {}))]
        elif renew:
            shown = [space.renew_consent_edition(dataset)]
        else:
            shown = [one for one in space.consent_datasets() if dataset in ("", one["dataset"])]
        heads = [Text(msgid("dataset")), Text(msgid("edition")), Text(msgid("purpose")), Text(msgid("patients"))]
        rows = [row for one in shown for row in _counts(screen, one)]
        screen.show({"datasets": shown}, lambda: screen.table(Text(msgid("Datasets under consent")), heads, rows))


@app.command("receipt")
def receipt(
    patient: PatientArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show the receipt of a patient, with the salt that is a secret of hers."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.consent_receipt(patient)
        screen.show(found, lambda: screen.line(Text("{receipt}", {"receipt": jsonlib.dumps(found)})))


@app.command("proof")
def proof(
    use: Annotated[str, typer.Argument(help="The use, by its id.")],
    patient: PatientArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write, for the patient or an auditor.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write the proof that a use states that it counts a patient, or that it does not."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.consent_proof(use, patient)
        out.write_text(jsonlib.dumps(found), encoding="utf-8")
        told: dict[str, str | int] = {"file": str(out), "statements": len(found["stated"])}
        said = msgid("{file} holds {statements} statements; only who has the salt of the patient can read them.")
        screen.show(told, lambda: screen.line(Text(said, told)))


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="The proof, as `medspace consent proof` wrote it.")],
    salt: Annotated[str, typer.Option("--salt", help="The salt in the patient's receipt.")],
    authority_key: Annotated[str, typer.Option("--authority-key", help="The authority's public key (base64url).")],
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Verify what a holder stated of a patient and a use, offline; needs no server."""
    from medspace.app.node.authority_key import authority_key as key_of  # noqa: PLC0415 - cryptography is heavy
    from medspace.services.consents import proving  # noqa: PLC0415 - as above

    screen = Screen(as_json=json, language=spoken_language(lang))
    read = proving.read(_content(file))
    counts = proving.verify(read, _salt(salt), key_of(authority_key), datetime.now(UTC))
    told = {"use": read.use, "counts": any(counts), "statements": len(counts)}
    said = msgid("Proven: the use states that it counts this patient.")
    other = msgid("Proven: the use states that it does not count this patient.")
    screen.show(told, lambda: screen.line(Text(said if any(counts) else other)))


def _salt(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        return b""  # it proves nothing


def consent_scope(
    patient: Annotated[str, typer.Option("--patient", help="List the uses that count this patient instead.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Replay every access against the consents of its moment: was each inside consent?"""
    with session(client, config, json=json, language=lang) as (space, screen):
        if patient:
            _uses(screen, space.uses_of_patient(patient))
            return
        found = space.replay_consent()
        heads = [Text(msgid("entry")), Text(msgid("use")), Text(msgid("dataset")), Text(msgid("why"))]
        rows = [
            (str(one["entry"]), one["use"], one["dataset"], screen.say(WHY[one["why"]])) for one in found["outside"]
        ]
        facts = {"examined": found["examined"], "outside": len(rows)}
        title = Text(msgid("Accesses examined: {examined}; not inside consent: {outside}"), facts)
        screen.show(found, lambda: screen.table(title, heads, rows) if rows else screen.line(title))
    if rows:
        raise typer.Exit(OUTSIDE)


def _uses(screen: Screen, found: list[JsonObject]) -> None:
    """The uses that count a patient, what of them has left, and what their contracts ask for."""
    said = counted(len(found), msgid("{count} use counts this patient"), msgid("{count} uses count this patient"))
    heads = [Text(msgid("since")), Text(msgid("by")), Text(msgid("dataset")), Text(msgid("purpose"))]
    heads += [Text(msgid("state")), Text(msgid("outputs that left")), Text(msgid("the contract asks for"))]
    rows = [
        (
            one["time"],
            one["name"] or one["user"],
            one["dataset"],
            one["purpose"],
            screen.say(Text(msgid("runs")) if one["running"] else Text(msgid("over"))),
            str(one["released"]),
            " ".join(one["asks"]) or "-",
        )
        for one in found
    ]
    screen.show({"uses": found}, lambda: screen.table(said, heads, rows) if rows else screen.line(said))


WHY = {
    "unstated": Text(msgid("it does not state whom it counts")),
    "unknown": Text(msgid("what it states was not kept")),
    "unreadable": Text(msgid("what was kept is not what it states")),
    "outside": Text(msgid("it counts patients who had not consented")),
    "altered": Text(msgid("the consents that are kept are not those that it states")),
}


def beside_audit(app: typer.Typer) -> None:
    """Add the replay to the commands of proof, where there are any."""
    for group in app.registered_groups:
        if group.name == "audit" and group.typer_instance is not None:
            group.typer_instance.command("consent-scope")(consent_scope)


def _batches(file: Path) -> Iterator[list[JsonObject]]:
    batch: list[JsonObject] = []
    for number, line in enumerate(_lines(file), 1):
        if line.strip():
            batch.append(_document(file, number, line))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as content:
            while line := content.readline(LONGEST_LINE + 1):
                yield line
    except OSError as error:
        raise ConsentUnreadableError(file=str(file), reason=why(error)) from None


def _document(file: Path, number: int, line: bytes) -> JsonObject:
    found = _decoded(line) if len(line) <= LONGEST_LINE else None
    if not isinstance(found, dict):
        raise ConsentFileError(file=str(file), line=number)
    return found


def _decoded(content: bytes) -> object:
    """What JSON holds; None where it is none."""
    try:
        return jsonlib.loads(content)
    except (ValueError, RecursionError):
        return None


def _object(file: Path) -> dict[str, Any]:
    found = _decoded(_content(file))
    if not isinstance(found, dict):
        raise ConsentUnreadableError(file=str(file), reason=Text(msgid("it is not JSON")))
    return found


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as content:
            return content.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConsentUnreadableError(file=str(file), reason=why(error)) from None


ANSWERS = {
    "allow": Text(msgid("allowed")),
    "deny": Text(msgid("denied")),
    "abstain": Text(msgid("a person has to decide")),
    "none": Text(msgid("no consent")),
}


def _answer(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    by = f"{one['consent']} {one['clause']}".strip() or "-"
    columns = one["columns"] or screen.say(Text(msgid("all others")))
    return one["dataset"], one["purpose"], columns, screen.say(ANSWERS[one["answer"]]), by


def _counts(screen: Screen, one: JsonObject) -> list[tuple[str, ...]]:
    few = screen.say(Text(msgid("fewer than 10")))
    counts = [(purpose, str(count) if count else few) for purpose, count in sorted(one["counts"].items())]
    return [(one["dataset"], str(one["edition"]), *pair) for pair in counts or [("-", "-")]]
