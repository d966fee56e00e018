"""Two small files beside the configuration: when the last backup was made, and whether the connector was restored."""

from datetime import timedelta
from pathlib import Path

import msgspec

from medspace.adapters.keys import read_secret, replace_secret
from medspace.app.node.checks import HealthCheck
from medspace.app.node.config import Config
from medspace.core.clock import Clock, instant
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest
from medspace.core.text import Text, counted, msgid

LAST, RESTORED = "backups.json", "restored.json"
OLD = timedelta(days=7)


class Backup(msgspec.Struct, frozen=True):
    """When a backup was made, and how many entries its log had."""

    made: str
    entries: int
    id: str = ""

    @property
    def mark(self) -> str:
        """An identifier of the backup: equal for the same backup only."""
        return digest([self.id, self.made, self.entries])


def note(config: Config, made: str, entries: int) -> None:
    """Record that a backup was made.

    Raises:
        OSError: it cannot be recorded.
    """
    replace_secret(config.path(LAST), msgspec.json.encode(Backup(made, entries)))


def mark_restored(folder: Path, backup: Backup) -> None:
    """Mark a folder as restored from a backup, so that the connector takes it into account at its start.

    Raises:
        OSError: it cannot be marked.
    """
    replace_secret(folder / RESTORED, msgspec.json.encode(backup))


def restored(config: Config) -> Backup | None:
    """The backup that this connector was restored from, until a start has taken it into account.

    Raises:
        SecretFileError, SecretExposedError: the mark cannot be read, so what is missing is unknown.
    """
    return _read(config.path(RESTORED)) if config.path(RESTORED).exists() else None


def gone_by(config: Config) -> None:
    """Record durably that what a restored connector lacks was dealt with."""
    config.path(RESTORED).unlink(missing_ok=True)


def _read(file: Path) -> Backup:
    try:
        return msgspec.json.decode(read_secret(file), type=Backup)
    except (msgspec.DecodeError, RecursionError):
        return Backup("", 0)  # there was a mark, whatever it said


def backup_check(config: Config, clock: Clock) -> HealthCheck:
    """The doctor's check of backups: a missing or old one is not an error, but worth knowing."""
    advice = Text(msgid("Make one: medspace backup FILE, and keep it on another machine, away from its passphrase."))
    try:
        last = _read(config.path(LAST)) if config.path(LAST).exists() else None
        age = None if last is None else clock.now() - instant(last.made)
    except (MedspaceError, ValueError):
        last = age = None
    if last is None or age is None:
        return HealthCheck(msgid("backup"), ok=True, found=Text(msgid("No backup was made yet.")), next_step=advice)
    days = counted(max(age.days, 0), msgid("{count} day"), msgid("{count} days"))
    entries = counted(last.entries, msgid("{count} entry"), msgid("{count} entries"))
    found = Text(msgid("The last backup is {days} old; its log has {entries}."), {"days": days, "entries": entries})
    return HealthCheck(msgid("backup"), ok=True, found=found, next_step=advice if age > OLD else None)
