"""The contents of a backup: configuration, keys and secrets, dictionaries, the database, the checkpoints beside it.

Not included, and why: the tables of patients (they have their own backup, and stay where they are); the keys of uses
and of runs (`keys/uses`, `keys/runs`), which are deleted with what they belong to, so that a copy would bring back
what was deleted; `parts` and `steps`, which last no longer than their use; checkpoints that are kept elsewhere, since
they later prove that a log was restored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from medspace.adapters.sql import snapshot
from medspace.app.node.config import Config

Kind = Literal["configuration", "secret", "file", "checkpoints", "database"]
OUTSIDE = "outside"  # the folder for files from outside the configuration's folder
DATABASE: Final = "database"


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a backup: the setting that names it, its path, its name in the backup, and its place if outside."""

    setting: str
    path: Path
    name: str
    kind: Kind
    place: str = ""


def items(config: Config, file: Path) -> list[Item]:
    """The existing files of a connector, each once, the database last."""
    found: dict[Path, Item] = {}
    for setting, path, kind in _named(config, file):
        if path.is_file() and path not in found:
            found[path] = _item(config, setting, path, kind)
    return sorted(found.values(), key=lambda item: item.kind == DATABASE)


def _named(config: Config, file: Path) -> Iterator[tuple[str, Path, Kind]]:
    yield "configuration", file.resolve(), "configuration"
    key = config.path(config.participant.key)
    yield "participant.key", key, "secret"
    yield "participant.key.mldsa", key.with_name(f"{key.stem}.mldsa.json"), "secret"
    for pem in sorted(key.parent.glob(f"{key.stem}.mldsa-*.pem")):
        yield f"participant.key.{pem.stem.rpartition('-')[2]}", pem, "secret"
    yield "participant.key.p256", key.with_name(f"{key.stem}.p256.pem"), "secret"
    for setting, name in _settings(config):
        if name:
            kind: Kind = "file" if setting.endswith((".certificate", ".certificates", ".dictionary")) else "secret"
            yield setting, config.path(name), kind
    checkpoints = config.path(config.checkpoints.file)
    if config.checkpoints.file and _beside(config, checkpoints):
        yield "checkpoints.file", checkpoints, "checkpoints"
    if snapshot.is_file(config.database_url):
        yield "database.url", snapshot.file_of(config.database_url), "database"


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    """The settings that name files, with their values."""
    yield "private.token", config.private.token
    yield "questions.secret", config.questions.secret
    yield "jobs.secret", config.jobs.secret
    yield "portal.oidc.client_secret", config.portal.oidc.client_secret if config.portal.oidc else ""
    yield "network.proxy_password", config.network.proxy_password
    yield "network.certificates", config.network.certificates
    yield "public.certificate", config.public.certificate
    yield "public.certificate_key", config.public.certificate_key
    for number, asset in enumerate(config.assets):
        yield f"assets.{number}.dictionary", asset.dictionary
        yield f"assets.{number}.password", asset.password


def _item(config: Config, setting: str, path: Path, kind: Kind) -> Item:
    if _beside(config, path):
        return Item(setting, path, path.relative_to(config.path(".")).as_posix(), kind)
    return Item(setting, path, f"{OUTSIDE}/{setting}/{path.name}", kind, str(path))


def _beside(config: Config, path: Path) -> bool:
    """Whether a file lies in the folder of the configuration by its own path, without a way up."""
    return path.is_relative_to(config.path(".")) and ".." not in path.parts
