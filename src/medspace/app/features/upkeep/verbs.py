"""Commands for backups: backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="A file that only you can read, with the passphrase; else MEDSPACE_BACKUP_PASSPHRASE, or you are asked.",
    ),
]


def backup(
    file: Annotated[Path, typer.Argument(help="The new file of the backup.")],
    passphrase_file: PassphraseOption = None,
    without_database: Annotated[
        bool, typer.Option("--without-database", help="Where PostgreSQL has the records: everything but them.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Write configuration, keys, dictionaries and database into one encrypted file; the connector may run."""
    from medspace.app.features.upkeep import passphrase  # noqa: PLC0415 - cryptography is imported only when needed
    from medspace.app.features.upkeep.backing_up import back_up  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    said = passphrase.given(passphrase_file, screen, new=True)
    made = back_up(config, file, said, without_database=without_database)
    screen.show(made, lambda: _made(screen, made))


def restore(
    file: Annotated[Path, typer.Argument(help="The file of a backup.")],
    folder: Annotated[Path | None, typer.Argument(help="A new folder for the connector.")] = None,
    passphrase_file: PassphraseOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only read it and say what it holds.")] = False,
    moved: Annotated[
        bool,
        typer.Option(
            "--moved", help="The connector was stopped before the backup, and never runs again where it was."
        ),
    ] = False,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Make a new folder out of a backup, after everything in it was checked; or only check it."""
    from medspace.app.features.upkeep import passphrase, restoring  # noqa: PLC0415 - cryptography, as above

    screen = Screen(as_json=json, language=spoken_language(lang))
    if folder is None and not check:
        raise typer.BadParameter(screen.say(Text(msgid("name a folder, or say --check"))))
    said = passphrase.given(passphrase_file, screen, new=False)
    if check or folder is None:
        found = restoring.look(file, said)
        screen.show(found, lambda: _whole(screen, found))
        return
    found = restoring.restore(file, folder, said, moved=moved)
    screen.show(found, lambda: _restored(screen, found))


def _made(screen: Screen, made: JsonObject) -> None:
    facts = {"file": made["file"], "did": made["did"], "files": len(made["files"]), "mib": _mib(made["bytes"])}
    screen.line(Text(msgid("{file} holds {files} files of {did} ({mib} MiB)."), facts))
    if not made["database"]:
        screen.line(Text(msgid("The database is not in it: keep the dump of PostgreSQL with it.")))
    screen.line(
        Text(
            msgid("Not in it: the tables of your patients, and the keys of uses and runs, which must stay deletable.")
        )
    )
    screen.line(Text(msgid("Next: {command}"), {"command": f"medspace restore {made['file']} --check"}))


def _whole(screen: Screen, found: JsonObject) -> None:
    facts = {"did": found["did"], "made": found["made"], "files": len(found["files"]), "entries": found["entries"]}
    screen.line(Text(msgid("It is whole: {files} files of {did} from {made}; the log has {entries} entries."), facts))


def _restored(screen: Screen, found: JsonObject) -> None:
    screen.line(Text(msgid("{did} was restored into {folder}."), {"did": found["did"], "folder": found["folder"]}))
    for one in found["to_place"]:
        screen.line(Text(msgid("Put {file} where the configuration names it: {place}."), one))
    if not found["database"]:
        screen.line(Text(msgid("Restore the dump of PostgreSQL before you start it.")))
    screen.line(
        Text(msgid("The tables of your patients are not in a backup: put them where the configuration names them."))
    )
    if found["frozen"]:
        screen.line(
            Text(
                msgid(
                    "What was done since the backup is lacking, so its privacy budgets count as spent at the start."
                )
            )
        )
        screen.line(Text(_TOKENS))
        screen.line(Text(_LABELS))
        screen.line(Text(_ENDED))
    screen.line(
        Text(
            msgid(
                "Never run the old one again: it would sign a second history. Tell the other members of the restore."
            )
        )
    )
    screen.line(Text(msgid("Next: {command}"), {"command": f"medspace up {found['config']}"}))


_TOKENS = msgid("All access tokens are revoked at the start: make new ones with `medspace token new`.")
_LABELS = msgid(
    "No dataset is used until a person confirms its label: `medspace label DATASET --as-configured`, or sets another."
)
_ENDED = msgid(
    "Before that, end again what you ended since the backup: `medspace agreement end ID`. Nothing here can list it."
)


def _mib(size: int) -> float:
    return round(size / (1 << 20), 1)
