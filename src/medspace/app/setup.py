"""`medspace init`: a folder with configuration, keys and, for a file that is offered, a drafted data dictionary."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.duckdb.drafting import draft
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import HttpDocuments
from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.app.config import ConfigError, read_config
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.trust.did import did_web
from medspace.trust.errors import DocumentError
from medspace.trust.jws import encode

CONFIG = "medspace.toml"


class AuthorityUnknownError(InvalidInputError):
    """The authority's key could not be had."""

    code = "setup.authority"
    sentence = msgid("The key of the authority {did} could not be fetched: {reason}.")
    next_step = msgid("Start the authority's connector first, or give its key with --authority-key.")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a new connector shall be."""

    name: str
    port: int
    authority: str = ""
    authority_key: str = ""
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
        raise ConfigError(file=str(file), reason=Text(msgid("it exists already; choose another folder")))
    dictionary = draft(wishes.offer, wishes.person) if wishes.offer else ""
    authority_key = wishes.authority_key or _authority_key(wishes)
    make_folder(folder)
    make_folder(folder / "keys")
    signer = create_key(folder / "keys" / "participant.pem")
    create_token(folder / "keys" / "private.token")
    review = _offer(folder, wishes, dictionary) if wishes.offer else []
    key = authority_key or encode(signer.public_key)
    file.write_text(_config(wishes, key) + "".join(text for _, text in review))
    config = read_config(file)
    return {
        "folder": str(folder),
        "config": str(file),
        "did": config.did,
        "authority": config.space.authority,
        "authority_key": config.space.authority_key,
        "public_key": encode(signer.public_key),
        "to_review": [name for name, _ in review],
    }


def _authority_key(wishes: Wishes) -> str:
    """The key that is pinned: none yet for an authority itself, else the one that its document shows now."""
    if not wishes.authority:
        return ""
    return encode(asyncio.run(_fetch_key(wishes.authority)))


async def _fetch_key(did: str) -> bytes:
    client = HttpClient(Guard.of((), loopback=True))
    try:
        document = await HttpDocuments(client).document(did)
    except DocumentError as error:
        raise AuthorityUnknownError(did=did, reason=error.text) from error
    finally:
        await client.close()
    if not document.keys:
        raise AuthorityUnknownError(did=did, reason=Text(msgid("its document shows no key")))
    return document.keys[0].public_key


def _config(wishes: Wishes, authority_key: str) -> str:
    did = did_web(f"http://127.0.0.1:{wishes.port}")
    return f"""\
# A medspace connector. docs/reference/configuration.md explains every setting.
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
authority_key = {_quoted(authority_key)}

[network]
# Loopback addresses are for trying out on one machine; remove them in production.
allow = ["127.0.0.0/8"]

[log]
# For people; "json" is for programs.
format = "text"
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
purposes = ["ehds:HealthcareScientificResearch"]
kinds = ["medspace:train"]
regions = ["World"]

[[assets.offers]]
template = "train-only"
terms = {{ purposes = ["ehds:HealthcareScientificResearch"], min_cohort = 10, min_sites = 1 }}
"""
    return [(str(folder / name), ""), (str(folder / CONFIG), table)]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
