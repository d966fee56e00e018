"""The verb that writes everything that a participant has to a folder."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.session import session
from medspace.app.features.export import client
from medspace.core.text import Text, counted, msgid


def export(
    folder: Annotated[Path, typer.Argument(help="A new folder, which only you will be able to read.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write all that you have to a folder in open formats: offers, agreements, uses, models, budgets, the signed log.

    Its README says what is in each file; no file holds a key, a token, a password or a row of your data.
    """
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.export(folder)
        files = counted(len(made["files"]), msgid("{count} file"), msgid("{count} files"))
        entries = counted(int(made["entries"]), msgid("{count} entry"), msgid("{count} entries"))
        facts: dict[str, str | Text] = {"files": files, "entries": entries, "folder": str(folder)}
        text = Text(
            msgid("Written to {folder}: {files}; the log has {entries}. Its README says what is in each."), facts
        )
        screen.show(made, lambda: screen.line(text))
