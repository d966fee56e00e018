"""Verbs to learn: train, runs, model."""

import json as jsonlib
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.cli.progress import rounds
from medspace.app.cli.session import session
from medspace.app.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import Text, msgid

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


def read_task(file: Path) -> JsonObject:
    """A training task from a JSON or TOML file.

    Raises:
        TaskFileError: it cannot be read as either.
    """
    try:
        content = file.read_bytes()
        if len(content) > LARGEST_TASK:
            raise TaskFileError(file=str(file), reason=Text(msgid("it is larger than 1 MiB")))
        task = tomllib.loads(content.decode()) if file.suffix == ".toml" else jsonlib.loads(content)
    except (OSError, ValueError) as error:
        raise TaskFileError(file=str(file), reason=str(error)) from error
    if not isinstance(task, dict):
        raise TaskFileError(file=str(file), reason=Text(msgid("it holds no table of settings")))
    return task


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
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait; the run goes on without you.")] = 600.0,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Train a model across hospitals; no row leaves any of them."""
    wanted = read_task(task)
    with session(config, json=json, language=lang) as (space, screen):
        chosen = agreement or usable(space.agreements(), set(dataset or ()))
        with rounds(screen) as progress:
            run = space.train(wanted, chosen, progress=progress, wait=wait)
        screen.show(run, lambda: show_run(screen, run))


def usable(agreements: list[JsonObject], datasets: set[str]) -> list[str]:
    """The newest agreement in force as consumer with each provider, for these datasets (all, where none is named).

    Raises:
        NoAgreementError: there is none.
    """
    chosen: dict[tuple[str, str], str] = {}
    for one in agreements:  # the newest come first
        wanted = not datasets or one["dataset"] in datasets
        if one["role"] == "consumer" and one["in_force"] and wanted:
            chosen.setdefault((one["counterparty"], one["dataset"]), one["id"])
    if not chosen:
        raise NoAgreementError
    return list(chosen.values())


def show_run(screen: Screen, run: JsonObject) -> None:
    """A finished run for people: quality per hospital, protections, what to do next."""
    quality = run["model"]["quality"]
    columns = ("hospital", "patients", "AUC", "Brier", "ECE")
    rows = [_quality_row(site.get("name") or site["site"], site) for site in quality["sites"]]
    rows.append(_quality_row(screen.say(Text(msgid("all together"))), quality["pooled"]))
    title = Text(
        msgid("Model {model}: {rounds} rounds, {seconds} s"),
        {"model": run["model"]["id"], "rounds": run["rounds"], "seconds": round(run["seconds"], 1)},
    )
    screen.table(title, [Text(column) for column in columns], rows)
    for sentence in run["model"]["protections"]:
        screen.line(Text("  - {sentence}", {"sentence": sentence}))
    screen.line(Text(msgid("Next: medspace model {id}"), {"id": run["model"]["id"]}))


def _quality_row(name: str, quality: JsonObject) -> tuple[str | int, ...]:
    return (name, quality["n"], *(_rounded(quality.get(key)) for key in ("auc", "brier", "ece")))


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def runs(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """List training runs: running, finished, failed with their reason."""
    with session(config, json=json, language=lang) as (space, screen):
        listed = space.runs()
        rows = [(r["id"], r["state"], r["rounds"], (r["problem"] or {}).get("sentence")) for r in listed]
        columns = [Text(c) for c in ("run", "state", "rounds", "reason")]
        title = Text(msgid("{count} runs"), {"count": len(listed)})
        screen.show({"runs": listed}, lambda: screen.table(title, columns, rows))


def model(
    model: Annotated[str, typer.Argument(help="The model's id, as `medspace train` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show a model: coefficients, quality, and the lineage that proves where it came from."""
    with session(config, json=json, language=lang) as (space, screen):
        found = space.model(model)
        screen.show(found, lambda: _model(screen, found))


def _model(screen: Screen, found: JsonObject) -> None:
    columns = [Text(c) for c in ("term", "coefficient")]
    rows = [(c["name"], f"{float(c['value']):+.4f}") for c in found["coefficients"]]
    screen.table(Text(msgid("Model {id}"), {"id": found["id"]}), columns, rows)
    for sentence in found["story"]:
        screen.line(Text("{sentence}", {"sentence": sentence}))
