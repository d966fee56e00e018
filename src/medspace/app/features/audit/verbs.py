"""Commands for proof: audit export, questions, records, model, verify, lineage."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from medspace.adapters.oswords import why
from medspace.adapters.ownership import write_private
from medspace.app.doors.cli.errors import FileNotWrittenError
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.audit import client
from medspace.app.node.language import spoken_language
from medspace.app.node.questions import near_repeat
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

# Only a verified result exits with 0: a script that checks nothing else must not take silence for proof.
EXIT_CODES = {"verified": 0, "failed": 5, "unverifiable": 4, "open": 4}

app = typer.Typer(help="Prove from signed logs who used what, under which agreement.", no_args_is_help=True)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the bundle.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write this connector's whole signed log to a file that anyone can verify offline."""
    with session(client, config, json=json, language=lang) as (space, screen):
        bundle = space.audit_bundle()
        try:
            file.write_text(jsonlib.dumps(bundle), encoding="utf-8")
        except OSError as error:
            raise FileNotWrittenError(file=str(file), reason=why(error)) from error
        entries = counted(len(bundle["entries"]), msgid("{count} entry"), msgid("{count} entries"))
        text = Text(msgid("Written to {file}: {what}."), {"what": entries, "file": str(file)})
        screen.show({"file": str(file), "entries": len(bundle["entries"])}, lambda: screen.line(text))


@app.command("questions")
def questions(
    file: Annotated[Path, typer.Argument(help="Where to write the questions.")],
    use: Annotated[str, typer.Option("--use", help="Only those of this use (a transfer of yours).")] = "",
    dataset: Annotated[str, typer.Option("--dataset", help="Only those of this dataset.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write what your datasets were asked to a file that an auditor holds against your log; it is not sealed."""
    with session(client, config, json=json, language=lang) as (space, screen):
        shown = space.audit_questions(use=use, dataset=dataset)
        _write(file, shown)
        count = len(shown["questions"])
        what = counted(count, msgid("{count} question"), msgid("{count} questions"))
        text = Text(msgid("Written to {file}: {what}."), {"what": what, "file": str(file)})
        near = space.near_repeats(dataset)
        found = {"file": str(file), "questions": count, "near_repeats": near}

        def people() -> None:
            for line in (text, *map(near_repeat, near)):
                screen.line(line)

        screen.show(found, people)


@app.command("records")
def records(
    run: Annotated[str, typer.Argument(help="The run, as your log names it.")],
    file: Annotated[Path, typer.Argument(help="Where to write the records.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write what you recorded of a masked run to a file for an auditor: sums over all of its sites, not sealed.

    With it the auditor checks that each question followed from the sums before it. Nobody else can export it: whoever
    gets the file sees what only the sites saw.
    """
    with session(client, config, json=json, language=lang) as (space, screen):
        shown = space.audit_records(run)
        _write(file, shown)
        count = len(shown["records"])
        what = counted(count, msgid("{count} record"), msgid("{count} records"))
        text = Text(msgid("Written to {file}: {what}."), {"what": what, "file": str(file)})
        screen.show({"file": str(file), "records": count}, lambda: screen.line(text))


@app.command("model")
def model(
    model: Annotated[str, typer.Argument(help="The model's id, or that of its run.")],
    file: Annotated[Path, typer.Argument(help="Where to write the model.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write a model with what its sites signed to a file that anyone can verify offline beside the logs."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.audit_model(model)
        _write(file, found)
        signed = sorted(found["result"].get("opened", {}).get("signed", {}))
        what = counted(len(signed), msgid("{count} signature"), msgid("{count} signatures"))
        text = Text(msgid("Written to {file}: {what}."), {"what": what, "file": str(file)})
        screen.show({"file": str(file), "signed": signed}, lambda: screen.line(text))


def _write(file: Path, content: JsonObject) -> None:
    try:
        write_private(file, jsonlib.dumps(content))
    except OSError as error:
        raise FileNotWrittenError(file=str(file), reason=why(error)) from error


@app.command("entry")
def entry(
    index: Annotated[int, typer.Argument(help="Which entry of your log, counted from 0.", min=0)],
    file: Annotated[Path, typer.Argument(help="Where to write the proof.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write the proof of one entry of your log to a file that anyone can verify offline; it shows no other entry."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _write(file, space.audit_entry(index))
        text = Text(msgid("Written to {file}: the proof of entry {index}."), {"index": index, "file": str(file)})
        screen.show({"file": str(file), "index": index}, lambda: screen.line(text))


@app.command("uses")
def uses(
    dataset: Annotated[str, typer.Argument(help="One of your datasets; without it, all of them.")] = "",
    user: Annotated[str, typer.Option("--user", help="Only the uses of this participant (its DID).")] = "",
    users: Annotated[bool, typer.Option("--users", help="Show each participant once, with all of its uses.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show who used your datasets, as your own log tells it: under which agreement, for what, when, what left."""
    with session(client, config, json=json, language=lang) as (space, screen):
        if users:
            told = [one for one in space.audit_users(dataset) if user in ("", one["user"])]
            screen.show({"users": told}, lambda: _users(screen, told))
            return
        found = space.audit_uses(dataset, user=user)
        names = (msgid("Dataset"), msgid("User"), msgid("Agreement"), msgid("Last"), msgid("Answers that left"), "")
        rows = [
            (u["dataset"], u["user_name"] or u["user"], u["agreement"], u["last"], u["released"], f"#{u['entry']}")
            for u in found
        ]
        title = Text(msgid("Uses, the latest first; the last column is the entry that proves the first question"))
        screen.show({"uses": found}, lambda: screen.table(title, [Text(name) for name in names], rows))


def _users(screen: Screen, found: list[JsonObject]) -> None:
    names = [msgid("User"), msgid("Uses"), msgid("Agreements"), msgid("Questions"), msgid("Answers that left")]
    names += [msgid("Kept back"), msgid("Last")]
    counts = ("admitted", "released", "held_back")
    rows = [
        (
            one["user_name"] or one["user"],
            str(one["uses"]),
            str(len(one["agreements"])),
            *(str(one[name]) for name in counts),
            one["last"],
        )
        for one in found
    ]
    screen.table(Text(msgid("Participants, the latest first")), [Text(name) for name in names], rows)


@app.command("verify-entry")
def verify_entry(
    proofs: Annotated[list[Path], typer.Argument(help="Proofs of entries, as `medspace audit entry` wrote them.")],
    authority_key: Annotated[
        str, typer.Option("--authority-key", help="The authority's public key (base64url).")
    ] = "",
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Verify entries that are shown by themselves, offline; needs no server. Exit codes are those of `verify`."""
    from medspace.app.features.audit.auditing import verify_entry_files  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    report = verify_entry_files(proofs, authority_key, screen.language)
    screen.show(report, lambda: _report(screen, report))
    raise typer.Exit(EXIT_CODES[report["outcome"]])


@app.command("verify")
def verify(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles of the connectors that took part.")],
    authority_key: Annotated[
        str, typer.Option("--authority-key", help="The authority's public key (base64url).")
    ] = "",
    questions: Annotated[
        list[Path] | None,
        typer.Option("--questions", help="Questions that a holder shows, to check against its log."),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option("--records", help="Records of a masked run that a holder shows, to compute it again."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", help="A model as `medspace audit model` wrote it, to check who signed it."),
    ] = None,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Verify exported logs offline, each by itself and all against each other; needs no server.

    Exit code 0: everything is verified. 5: something does not hold. 4: not proven, since something is missing or was
    not over yet; that is no good news.
    """
    from medspace.app.features.audit.auditing import verify_files  # noqa: PLC0415 - cryptography is imported only when needed

    screen = Screen(as_json=json, language=spoken_language(lang))
    report = verify_files(
        bundles,
        authority_key,
        screen.language,
        questions_files=questions or (),
        records_files=records or (),
        model_files=model or (),
    )
    screen.show(report, lambda: _report(screen, report))
    raise typer.Exit(EXIT_CODES[report["outcome"]])


def _report(screen: Screen, report: JsonObject) -> None:
    marks = {outcome: screen.say(Text(mark)) for outcome, mark in _MARKS.items()}
    rows = [(marks[c["outcome"]], c["verified"], c["sentence"]) for c in report["checks"]]
    columns = [Text(c) for c in ("", msgid("times"), msgid("check"))]
    count = counted(int(report["entries"]), msgid("{count} entry"), msgid("{count} entries"))
    logs = counted(len(report["logs"]), msgid("{count} log"), msgid("{count} logs"))
    screen.table(Text(msgid("{entries} in {logs}"), {"entries": count, "logs": logs}), columns, rows)
    for (outcome, code, sentence, log), entries in _grouped(report["findings"]).items():
        facts = {"mark": marks[outcome], "code": code, "sentence": sentence, "log": log}
        screen.line(
            Text(
                msgid("{mark} {code}: {sentence} ({log}{entries})"), facts | {"entries": screen.say(_where(entries))}
            )
        )
    for shown in report["questions"]:
        screen.line(Text(_SHOWN, {name: shown[name] for name in ("log", "admitted", "shown", "not_shown")}))
    for said in report["accusations"]:
        screen.line(Text(_ACCUSED, {name: said[name] for name in ("log", "names", "code", "run", "entry")}))
    for spent in report["budgets"]:
        _spent(screen, spent)
    screen.line(Text(_CONCLUSIONS[report["outcome"]]))


def _spent(screen: Screen, spent: JsonObject) -> None:
    """What a dataset has spent in each period, according to its log."""
    for period in spent["periods"]:
        facts = {"dataset": spent["dataset"], "log": spent["log"], "count": period["debits"]}
        epsilon = "?" if period["spent"] is None else f"{period['spent']:g}"
        facts |= {name: period[name] for name in ("epsilon", "delta")} | {"spent": epsilon}
        screen.line(Text(_SPENT, facts | {"since": period["since"][:10], "until": period["until"][:10]}))
        if period["vouched"] == "":
            screen.line(Text(_UNVOUCHED, {"dataset": spent["dataset"], "since": period["since"][:10]}))


def _grouped(findings: list[JsonObject]) -> dict[tuple[str, ...], list[int]]:
    """The entries with the same finding, by outcome, code, sentence and log."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for found in findings:
        key = tuple(str(found[name]) for name in ("outcome", "code", "sentence", "log"))
        groups.setdefault(key, []).extend([] if found["entry"] is None else [int(found["entry"])])
    return groups


def _where(entries: list[int]) -> Text:
    if not entries:
        return Text("")
    if len(entries) == 1:
        return Text(msgid(", entry {entry}"), {"entry": entries[0]})
    return Text(msgid(", entry {entry} and {more} more"), {"entry": entries[0], "more": len(entries) - 1})


_MARKS = {
    "verified": msgid("ok"),
    "failed": msgid("FAILED"),
    "unverifiable": msgid("NOT PROVEN"),
    "open": msgid("NOT OVER"),
}
_CONCLUSIONS = {
    "verified": msgid("Everything holds: every log is what its member signed, and the logs agree."),
    "failed": msgid("Something does not hold. Do not rely on these logs before it is cleared up."),
    "unverifiable": msgid(
        "Not proven: what would prove it is not in these files. This is no clean result: get what the lines above "
        "name, then verify again."
    ),
    "open": msgid(
        "Not proven yet: something was still going on when the logs were exported. Export them again later, then "
        "verify again."
    ),
}
_SHOWN = msgid("Questions of {log}: {admitted} admitted, {shown} shown, {not_shown} not shown.")
_SPENT = msgid(
    "Privacy budget of {dataset} at {log}, from {since} to {until}: epsilon {spent} of {epsilon} (delta {delta}) was "
    "spent (debits: {count})."
)
_UNVOUCHED = msgid("Only its holder says that the period of {dataset} from {since} on could begin.")

_ACCUSED = msgid(
    "{log} says that {names} broke the protocol of the run {run} ({code}, entry {entry}); that is its word, and "
    "proves nothing by itself."
)


@app.command("lineage")
def lineage(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles of the connectors that took part.")],
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", help="A model as `medspace audit model` wrote it: adds what its sites signed."),
    ] = None,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show where each model came from: datasets, agreements, rounds, protections (PROV-shaped with --json)."""
    from medspace.app.features.audit.auditing import lineage_of_files  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    found = lineage_of_files(bundles, screen.language, model or ())

    def people() -> None:
        for sentence in found["story"]:
            screen.line(Text("{sentence}", {"sentence": sentence}))
        for sentence in found["left_out"]:
            screen.line(Text("{sentence}", {"sentence": sentence}))
        if not found["story"]:
            screen.line(Text(msgid("No log here is of somebody who made a model.")))

    screen.show(found["prov"], people)
