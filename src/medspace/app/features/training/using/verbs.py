"""Commands for models outside of a connector: predict, adapt, check-model. They need no server."""

import csv
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from medspace.adapters.oswords import why
from medspace.app.doors.cli.errors import FileNotWrittenError
from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, counted, msgid

SHOWN = 20  # rows, to people; a file has all
NOT_PROVEN = 4  # exit code
FileArgument = Annotated[
    Path, typer.Argument(help="A model, as `medspace model ID --out FILE.safetensors` wrote it.")
]
MissingOption = Annotated[
    list[str] | None,
    typer.Option("--missing", help="What a cell without a value holds, such as NA; may be repeated."),
]
WAYS = {
    "untouched": msgid("nothing was changed: that was best"),
    "intercept": msgid("all log-odds moved by one number"),
    "temperature": msgid("log-odds moved and stretched"),
    "normalised": msgid("columns centred and scaled as they are here"),
    "head": msgid("last layer trained on"),
    "ditto": msgid("all layers trained on, held to the shared model"),
    "tuned": msgid("all layers trained on for a few steps"),
}


class AdaptingWay(StrEnum):
    """The choices of `--how`."""

    INTERCEPT = "intercept"
    TEMPERATURE = "temperature"
    NORMALISED = "normalised"
    HEAD = "head"
    DITTO = "ditto"
    TUNED = "tuned"


def write_file(file: Path, content: bytes) -> str:
    """Write a file; its name.

    Raises:
        FileNotWrittenError: it cannot be written.
    """
    try:
        file.write_bytes(content)
    except OSError as error:
        raise FileNotWrittenError(file=str(file), reason=why(error)) from error
    return str(file)


def predict(
    model: FileArgument,
    rows: Annotated[
        Path,
        typer.Argument(
            help="Your rows: a CSV file whose first line names the columns. Images: a folder, a .zip, or an .npz."
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Write the scores to this CSV file.")] = None,
    missing: MissingOption = None,
    name: Annotated[str, typer.Option("--name", help="The column that says what a row is called.")] = "",
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Score your own rows or images with a model, on this machine; nothing is sent and no connector is needed."""
    from medspace.app.features.training.using.predicting import predicted  # noqa: PLC0415 - numpy only when needed

    screen = Screen(as_json=json, language=spoken_language(lang))
    found = predicted(model, rows, missing or (), name)
    if out is not None:
        write_file(out, _table(found).encode())
    screen.show(found if out is None else {"file": str(out)} | _summary(found), lambda: _scores(screen, found, out))


def _summary(found: JsonObject) -> JsonObject:
    return {"rows": len(found["rows"]), "unknown": found["unknown"], "outputs": found["outputs"]}


def _table(found: JsonObject) -> str:
    """The scores as CSV; a row of which nothing is known has empty cells."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", *found["outputs"]])
    for one in found["rows"]:
        writer.writerow([one["row"], *(map(repr, one["scores"]) if one["scores"] else [""] * len(found["outputs"]))])
    return text.getvalue()


def _scores(screen: Screen, found: JsonObject, out: Path | None) -> None:
    count = _rows(len(found["rows"]))
    title = Text(msgid("{target}: {rows} scored"), {"target": str(found["target"]), "rows": count})
    if out is None:
        columns = [Text(msgid("row")), *(Text("{name}", {"name": str(name)}) for name in found["outputs"])]
        screen.table(
            title,
            columns,
            [(one["row"], *(f"{score:.4f}" for score in one["scores"] or ())) for one in found["rows"][:SHOWN]],
        )
        if len(found["rows"]) > SHOWN:
            screen.line(Text(msgid("The first {shown} are shown; --out FILE has all."), {"shown": SHOWN}))
    else:
        screen.line(title)
        screen.line(Text(msgid("Written to {file}."), {"file": str(out)}))
    if found["unknown"]:
        unknown = _rows(int(found["unknown"]))
        screen.line(
            Text(msgid("Of {rows} the model knows nothing: nobody like that was learned from."), {"rows": unknown})
        )
    screen.line(Text(msgid("It is no medical device: no decision about a patient may rest on it alone.")))


def adapt(
    model: FileArgument,
    rows: Annotated[Path, typer.Argument(help="Your rows or images with their outcomes, as `predict` reads them.")],
    out: Annotated[Path, typer.Option("--out", help="Write the adapted model to this file.")],
    how: Annotated[
        AdaptingWay | None,
        typer.Option("--how", help="What may change; without it, what is best in cross-validation on your rows."),
    ] = None,
    missing: MissingOption = None,
    name: Annotated[str, typer.Option("--name", help="The column that says whose a row is.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Decides who is set apart to compare.", min=0)] = 0,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Adapt a model to your own patients, on this machine, and compare it with the untouched one.

    The file that it writes holds what was learned from your rows: it is not signed, and nothing sends it anywhere.
    """
    from medspace.app.features.training.using.predicting import AdaptingWishes  # noqa: PLC0415 - numpy when needed
    from medspace.app.features.training.using.predicting import adapt as adapted  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    wishes = AdaptingWishes(None if how is None else how.value, missing or (), name, seed)
    content, found = adapted(model, rows, wishes)
    found |= {"file": write_file(out, content)}
    screen.show(found, lambda: _adapted(screen, found))


def _adapted(screen: Screen, found: JsonObject) -> None:
    title = Text(msgid("On {rows} that were set apart:"), {"rows": _rows(int(found["after"]["rows"]))})
    names = [Text(msgid("model")), *(Text("{name}", {"name": name}) for name in ("AUC", "Brier", "ECE"))]
    rows = [
        (screen.say(Text(said)), *("-" if one[key] is None else f"{one[key]:.3f}" for key in ("auc", "brier", "ece")))
        for said, one in ((msgid("untouched"), found["before"]), (msgid("adapted"), found["after"]))
    ]
    screen.table(title, names, rows)
    if found["compared"]:
        _tried(screen, found["compared"])
    facts = {"rows": _rows(int(found["rows"])), "how": screen.say(Text(WAYS[found["how"]])), "file": found["file"]}
    screen.line(Text(msgid("Adapted to {rows} ({how}), written to {file}; it belongs where these rows do."), facts))


def _tried(screen: Screen, losses: JsonObject) -> None:
    """What each way came to, the best first."""
    title = Text(msgid("Ways to adapt it, in cross-validation on the other rows:"))
    ordered = sorted(losses.items(), key=lambda item: float(item[1]))
    rows = [(way, screen.say(Text(WAYS[way])), f"{loss:.4f}") for way, loss in ordered]
    screen.table(title, [Text(msgid("way")), Text(msgid("what changes")), Text(msgid("log-loss"))], rows)


def _rows(count: int) -> Text:
    return counted(count, msgid("{count} row"), msgid("{count} rows"))


def check_model(
    model: FileArgument,
    authority_key: Annotated[
        str, typer.Option("--authority-key", help="The authority's public key (base64url).")
    ] = "",
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Check offline that a model's file is what its card describes, and which member of the space signed that card.

    Exit code 0: both hold. 4: whoever wrote the file could have signed it, since no key was given. 5: it was changed.
    """
    from medspace.app.features.training.using.predicting import checked  # noqa: PLC0415 - cryptography, numpy

    screen = Screen(as_json=json, language=spoken_language(lang))
    found = checked(model, authority_key, datetime.now(UTC))
    screen.show(found, lambda: _checked(screen, found))
    if found["outcome"] != "verified":
        raise typer.Exit(NOT_PROVEN)


def _checked(screen: Screen, found: JsonObject) -> None:
    if found["adapted"] is not None:
        screen.line(
            Text(msgid("The model was adapted to the rows of one place: its card is that of the model before."))
        )
    else:
        screen.line(Text(msgid("The numbers are those that the card describes.")))
    if "listed" not in found:
        screen.line(
            Text(
                msgid("Who signed the card was not checked: give the key of the space's authority, --authority-key.")
            )
        )
        return
    facts = {name: str(found[name]) for name in ("name", "by", "time", "listed")}
    screen.line(Text(msgid("{name} ({by}) signed the card at {time}, by the members list of {listed}."), facts))
