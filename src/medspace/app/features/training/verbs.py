"""Commands to learn: train, runs, model."""

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.adapters.oswords import why
from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption, following
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.doors.cli.who import names_of
from medspace.app.features.training import client
from medspace.app.features.training.attending import MISSING, share, told
from medspace.app.features.training.progress import rounds
from medspace.app.features.training.using.verbs import write_file
from medspace.core.canonical import JsonObject
from medspace.core.decoding import check_sayable, json_of
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.misfits import MisfitError
from medspace.core.text import Text, counted, msgid, plain
from medspace.core.toml import read_table

if TYPE_CHECKING:  # it brings an HTTP client, which `--help` does without
    from medspace.app.features.training.sdk import TrainingClient

LARGEST_TASK = 1 << 20


class TaskFileError(InvalidInputError):
    """The task file cannot be read."""

    code = "task.unreadable"
    sentence = msgid("The task file {file} cannot be read: {reason}.")
    next_step = msgid("Give a JSON or TOML file; examples/first-steps/task.toml is one.")


class NoAgreementError(RefusedError):
    """There is no agreement to train under."""

    code = "train.no_agreement"
    sentence = msgid("There is no agreement in force to train under.")
    next_step = msgid("Find a dataset with `medspace catalog` and agree with `medspace negotiate`.")


class DatasetUnagreedError(RefusedError):
    """Datasets are named that there is no agreement in force on."""

    code = "train.dataset_unknown"
    sentence = msgid("There is no agreement in force on {datasets}.")
    next_step = msgid("Name one of these: {known}; or agree with `medspace negotiate`.")


class AgreementLapsedError(RefusedError):
    """Agreements to train under are no longer in force, and continuing without their holders was not allowed."""

    code = "train.agreement_lapsed"
    sentence = msgid("No agreement is in force any more with {holders}.")
    next_step = msgid("Agree anew with `medspace negotiate`, or train without them: --without-missing.")


def read_task(file: Path) -> JsonObject:
    """A training task from a JSON or TOML file.

    Raises:
        TaskFileError: it cannot be read as either.
    """
    try:
        content = file.read_bytes()
        if len(content) > LARGEST_TASK:
            raise TaskFileError(file=str(file), reason=Text(msgid("it is larger than 1 MiB")))
        task = read_table(content) if file.suffix == ".toml" else json_of(content)
        check_sayable(task)
    except OSError as error:
        raise TaskFileError(file=str(file), reason=why(error)) from error
    except MisfitError as error:
        raise TaskFileError(file=str(file), reason=error.reason) from error
    if not isinstance(task, dict):
        raise TaskFileError(file=str(file), reason=Text(msgid("it holds no table of settings")))
    return task


WithoutMissing = Annotated[
    bool,
    typer.Option(
        "--without-missing",
        help="Go on without hospitals that refuse or stay away, and say so. Once exact sums are masked, a hospital's "
        "own contract decides: it must list run.departure among its outputs. Sums with noise are paid for.",
    ),
]


def train(
    task: Annotated[Path, typer.Argument(help="The training task: a JSON or TOML file.")],
    agreement: Annotated[
        list[str] | None,
        typer.Option("--agreement", "-a", help="Train under this agreement; give it once per hospital."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", "-d", help="Train under the agreements in force for this dataset id; may be repeated."
        ),
    ] = None,
    without_missing: WithoutMissing = False,
    patience: Annotated[
        float,
        typer.Option("--patience", min=0.0, help="Seconds that a hospital which is away is waited for; 0: 300."),
    ] = 0.0,
    coordinator: Annotated[
        str, typer.Option("--coordinator", help="The DID of another member that leads the training for you.")
    ] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what it would cost and what to expect of it; nothing is asked."),
    ] = False,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait; the run goes on without you.")] = 600.0,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Train a model across hospitals: sums leave them, no table does."""
    wanted = read_task(task)
    with session(client, config, json=json, language=lang) as (space, screen):
        chosen, lapsed = agreement or [], list[str]()
        if not agreement:
            known = space.agreements()
            chosen, lapsed = usable(known, set(dataset or ())), lapsed_holders(known, set(dataset or ()))
        if dry_run:
            found = space.forecast(wanted, chosen)
            screen.show(found | {"not_asked": lapsed}, lambda: _forecast(screen, found))
            return
        _allow(lapsed, screen, without_missing=without_missing)
        with rounds(screen) as progress:
            run = space.train(
                wanted,
                chosen,
                without_missing=without_missing,
                patience=patience,
                coordinator=coordinator,
                progress=progress,
                wait=wait,
            )
        screen.show(run | {"not_asked": lapsed}, lambda: show_run(screen, run))
        if not json:
            screen.line(following(f"medspace model {run['model']['id']}", config))


def _forecast(screen: Screen, found: JsonObject) -> None:
    for sentence in found["described"]["sentences"]:
        screen.line(Text("{sentence}", {"sentence": sentence}))
    if found["described"]["table"]:
        _table(screen, Text(msgid("What to expect:")), found["described"]["table"])


def usable(agreements: list[JsonObject], datasets: set[str]) -> list[str]:
    """The newest agreement in force as consumer with each provider, for these datasets (all, where none is named).

    Raises:
        NoAgreementError: there is none.
        DatasetUnagreedError: there is none on a dataset that was named, but there are on others.
    """
    chosen: dict[tuple[str, str], str] = {}
    for one in agreements:  # the newest come first
        wanted = not datasets or one["dataset"] in datasets
        if one["role"] == "consumer" and one["in_force"] and wanted:
            chosen.setdefault((one["counterparty"], one["dataset"]), one["id"])
    held = {one["dataset"] for one in agreements if one["role"] == "consumer"}
    known = {one["dataset"] for one in agreements if one["role"] == "consumer" and one["in_force"]}
    unknown = datasets - (held if chosen else known)  # of one that is no longer in force the holder is named
    if unknown and known:
        raise DatasetUnagreedError(datasets=", ".join(sorted(unknown)), known=", ".join(sorted(known)))
    if not chosen:
        raise NoAgreementError
    return list(chosen.values())


def lapsed_holders(agreements: list[JsonObject], datasets: set[str]) -> list[str]:
    """The holders of these datasets (of all, where none is named) with whom no agreement of ours is in force now."""
    ours = [a for a in agreements if a["role"] == "consumer" and (not datasets or a["dataset"] in datasets)]
    holding = {(a["counterparty"], a["dataset"]) for a in ours if a["in_force"]}
    return sorted({a["counterparty"] for a in ours if (a["counterparty"], a["dataset"]) not in holding})


def _allow(lapsed: list[str], screen: Screen, *, without_missing: bool) -> None:
    """Nobody is left out silently: a holder without an agreement in force ends the command, or is reported."""
    if lapsed and not without_missing:
        raise AgreementLapsedError(holders=", ".join(lapsed))
    for holder in lapsed if not screen.as_json else ():
        told = screen.say(
            Text(msgid("  - {holder} is not asked: no agreement is in force any more"), {"holder": holder})
        )
        sys.stderr.write(plain(told) + "\n")


def show_run(screen: Screen, run: JsonObject) -> None:
    """A finished run for people: the quality of its model, protections, next steps."""
    title = Text(
        msgid("Model {model}: {rounds} rounds, {seconds} s"),
        {"model": run["model"]["id"], "rounds": run["rounds"], "seconds": round(run["seconds"], 1)},
    )
    quality = run["model"].get("described", {}).get("quality")
    if quality:
        _table(screen, title, quality)
    else:
        screen.line(title)
    _show_result(screen, run["model"])
    if run.get("coordinator"):
        screen.line(Text(msgid("Led by {name}, at its own connector."), {"name": run["coordinator"]["name"]}))
    for text in told(run["sites"]):
        screen.line(text)


def _table(screen: Screen, title: Text, shown: JsonObject) -> None:
    """A table of a model's description, as the connector says it."""
    screen.table(title, [Text("{column}", {"column": column}) for column in shown["columns"]], shown["rows"])


def _show_result(screen: Screen, made: JsonObject) -> None:
    """What there is to know about a model: in the words of its kind of task, and which protections were off."""
    for sentence in (*made.get("described", {}).get("sentences", ()), *made["protections"]):
        screen.line(Text("  - {sentence}", {"sentence": sentence}))


def runs(
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """List training runs: running, finished, failed with their reason."""
    with session(client, config, json=json, language=lang) as (space, screen):
        listed(screen, "runs", lambda n: space.runs(most=n), most, lambda found: _runs(screen, found))


def _runs(screen: Screen, found: list[JsonObject]) -> None:
    rows = [
        (
            _whose(screen, r),
            screen.named(r["state"]),
            r["rounds"],
            share(r["sites"]),
            names_of(screen, r.get("asked_by")),
            _why(r),
        )
        for r in found
    ]
    names = (msgid("run"), msgid("state"), msgid("rounds"), msgid("hospitals"), msgid("asked by"), msgid("reason"))
    title = counted(len(found), msgid("{count} run"), msgid("{count} runs"))
    screen.table(title, [Text(name) for name in names], rows)


def _whose(screen: Screen, run: JsonObject) -> str:
    """The identity of a run, with its user or its leader where that is another member."""
    for party, text in (("user", msgid("{run} for {name}")), ("coordinator", msgid("{run} led by {name}"))):
        if run.get(party):
            return screen.say(Text(text, {"run": run["id"], "name": run[party]["name"]}))
    return str(run["id"])


def _why(run: JsonObject) -> str:
    """Why a run failed; for a running or finished one, why hospitals are missing."""
    missing = (f"{one['name']}: {one['sentence']}" for one in run["sites"] if one["status"] in MISSING)
    return str(run["problem"]["sentence"]) if run["problem"] else " ".join(missing)


def model(
    model: Annotated[str, typer.Argument(help="The model's id, as `medspace train` shows it, or that of its run.")],
    card: Annotated[
        Path | None,
        typer.Option(
            "--card", help="Write its card to this file: to print if it ends in .html, else as JSON, signed."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write the model with its card to this file: .safetensors, for `medspace predict`, or .onnx.",
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show a model: coefficients, quality, and the lineage that proves where it came from."""
    with session(client, config, json=json, language=lang) as (space, screen):
        if card is not None or out is not None:
            _write_files(space, screen, model, card, out)
            return
        found = space.model(model)
        screen.show(found, lambda: _model(screen, found))


def _write_files(space: "TrainingClient", screen: Screen, model: str, card: Path | None, out: Path | None) -> None:
    """Its card, the model itself, or both."""
    written = {}
    if card is not None:
        page = card.suffix.lower() in (".html", ".htm")
        made = (
            space.model_card_page(model)
            if page
            else jsonlib.dumps(space.model_card(model), ensure_ascii=False, indent=1)
        )
        written["card"] = write_file(card, made.encode())
    if out is not None:
        written["model"] = write_file(out, space.model_file(model, out.suffix.removeprefix(".").lower()))

    def people() -> None:
        for file in written.values():
            screen.line(Text(msgid("Written to {file}."), {"file": file}))

    screen.show(written, people)


def _opened(screen: Screen, opened: JsonObject) -> None:
    """What the sites of a masked run signed: who, and for each question the objective and who took part."""
    sites = counted(len(opened["signed"]), msgid("{count} site"), msgid("{count} sites"))
    screen.line(
        Text(msgid("Signed by {sites}; `medspace audit model` exports that for an auditor."), {"sites": sites})
    )
    for one in opened["questions"]:
        taking = counted(len(one["sites"]), msgid("{count} site"), msgid("{count} sites"))
        facts = {"question": one["question"], "objective": one["objective"] or "-", "sites": taking}
        screen.line(Text(msgid("  - question {question}: objective {objective}, {sites}"), facts))


def _learned(screen: Screen, title: Text, described: JsonObject) -> None:
    """The tables of what was learned; one without a title of its own has that of the model."""
    if all(table["title"] is not None for table in described["tables"]):
        screen.line(title)
    for table in described["tables"]:
        own = title if table["title"] is None else Text("{title}", {"title": table["title"]})
        _table(screen, own, table)


def _model(screen: Screen, found: JsonObject) -> None:
    described = found.get("described", {})
    if described:
        _learned(
            screen, Text(msgid("Model {id}: {title}"), {"id": found["id"], "title": described["title"]}), described
        )
    else:
        columns = [Text(c) for c in (msgid("part"), msgid("value"))]
        parts = [(name, jsonlib.dumps(value)) for name, value in sorted(found["result"].items())]
        screen.table(Text(msgid("Model {id}"), {"id": found["id"]}), columns, parts)
    if described.get("quality"):
        _table(screen, Text(msgid("Its quality:")), described["quality"])
    _show_result(screen, found)
    lineage = found["lineage"]
    facts = {"run": lineage["run"], "rounds": found["rounds"], "digest": found["digest"]}
    screen.line(Text(msgid("Made by the run {run} in {rounds} rounds; its digest is {digest}."), facts))
    for site, agreement in zip(lineage["sites"], lineage["agreements"], strict=False):
        facts = {"site": site, "agreement": agreement}
        screen.line(Text(msgid("  - {site}, under the agreement {agreement}"), facts))
    if found.get("opened"):
        _opened(screen, found["opened"])
    if lineage.get("coordinator"):
        screen.line(Text(msgid("Led by {name}, at its own connector."), {"name": lineage["coordinator"]}))
    for text in told(found["sites"]):
        screen.line(text)
    screen.line(Text(msgid("To prove it: medspace audit export, then medspace audit verify.")))
