"""`medspace init`: a folder with configuration, keys and, for a file that is offered, a drafted data dictionary."""

import json
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.duckdb.drafting import draft
from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.app.config import ConfigError, read_config
from medspace.core.canonical import JsonObject
from medspace.trust.did import did_web

CONFIG = "medspace.toml"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a new connector shall be."""

    name: str
    port: int
    authority: str = ""
    region: str = ""
    offer: Path | None = None
    person: str = ""


def set_up(folder: Path, wishes: Wishes) -> JsonObject:
    """Write everything a new connector needs; an existing configuration is never overwritten.

    Raises:
        ConfigError: there is a configuration already.
        TableUnreadableError: the file that is offered cannot be read.
    """
    file = folder / CONFIG
    if file.exists():
        raise ConfigError(file=str(file), reason="it exists already; choose another folder")
    dictionary = draft(wishes.offer, wishes.person) if wishes.offer else ""
    make_folder(folder)
    make_folder(folder / "keys")
    signer = create_key(folder / "keys" / "participant.pem")
    create_token(folder / "keys" / "private.token")
    review = _offer(folder, wishes, dictionary) if wishes.offer else []
    file.write_text(_config(wishes) + "".join(text for _, text in review))
    config = read_config(file)
    return {
        "folder": str(folder),
        "config": str(file),
        "did": config.did,
        "authority": config.space.authority,
        "public_key": signer.public_key.hex(),
        "to_review": [name for name, _ in review],
    }


def _config(wishes: Wishes) -> str:
    did = did_web(f"http://127.0.0.1:{wishes.port}")
    return f"""\
# A medspace connector. docs/configuration.md explains every setting.
[participant]
name = {_quoted(wishes.name)}
region = {_quoted(wishes.region)}

[public]
# For other machines: set host and url, and certificate files or behind_proxy = true.
host = "127.0.0.1"
port = {wishes.port}

[private]
port = {wishes.port + 1}

[space]
authority = {_quoted(wishes.authority or did)}

[network]
# Loopback addresses are for trying out on one machine; remove them in production.
allow = ["127.0.0.0/8"]
"""


def _offer(folder: Path, wishes: Wishes, dictionary: str) -> list[tuple[str, str]]:
    """The dictionary's file and the [[assets]] table of the configuration."""
    source = Path(str(wishes.offer)).resolve()
    name = f"{source.stem}.dictionary.toml"
    (folder / name).write_text(dictionary)
    table = f"""
[[assets]]
id = {_quoted(source.stem)}
title = {_quoted(source.stem)}
source = {_quoted(str(source))}
dictionary = {_quoted(name)}

[assets.label]
purposes = ["HealthcareScientificResearch"]
kinds = ["medspace:train"]
regions = []

[[assets.offers]]
template = "train-only"
terms = {{ purposes = ["HealthcareScientificResearch"], min_cohort = 10, min_sites = 1 }}
"""
    return [(str(folder / name), ""), (str(folder / CONFIG), table)]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
