"""Commands on one's own connector: up, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import NARROW, Screen
from medspace.app.node.checks import STATES
from medspace.app.node.cycles import unwatched
from medspace.app.node.language import speaker, spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

NOT_IN_ORDER = 1
FileArgument = Annotated[Path | None, typer.Argument(help="The configuration file, or its folder; as --config.")]


def up(
    file: FileArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    lang: LanguageOption = "",
) -> None:
    """Run a connector until Ctrl-C; brings its database up to date first, and says so."""
    with unwatched():
        from medspace.app.compose.serve import run_connector  # noqa: PLC0415 - the server side is heavy

        screen = Screen(as_json=False, language=spoken_language(lang))
        run_connector(file or config, announce=screen.line)


def doctor(
    file: FileArgument = None,
    member: Annotated[
        str, typer.Option("--from", help="The DID of a member that calls this connector back and says what it saw.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Check keys, permissions, listeners, authority, database and extras; say what to do about each."""
    from medspace.app.compose.doctor import examine  # noqa: PLC0415

    screen, config = Screen(as_json=json, language=spoken_language(lang)), file or config
    found = examine(config, screen.language)
    if member:
        from medspace.app.compose.sdk import connect  # noqa: PLC0415 - httpx, for who asks for it

        with connect(config, language=screen.language) as space:
            found["checks"] += space.seen_from(member)
        found["ok"] = all(check["ok"] for check in found["checks"])
    screen.show(found, lambda: _found(screen, found["checks"]))
    if not found["ok"]:
        raise typer.Exit(NOT_IN_ORDER)


def _found(screen: Screen, checks: list[JsonObject]) -> None:
    """A row for what was found, and one below it for what to do."""
    speak, rows = speaker(screen.language), list[tuple[str, str, str]]()
    for one in checks:
        rows.append((speak(STATES[one["state"]]), speak(one["name"]), one["sentence"]))
        if one["next_step"]:
            rows.append(("", "", f"→ {one['next_step']}"))
    columns = [Text(c) for c in (msgid("state"), msgid("check"), msgid("what was found, and the next step"))]
    screen.table(Text(msgid("medspace doctor")), columns, rows, width=NARROW)
