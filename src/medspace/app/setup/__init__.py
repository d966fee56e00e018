"""`medspace init`: a folder with configuration, keys and, for a file that is offered, a drafted data dictionary.

What is not said is the safe thing: an offer ends, is used a bounded number of times, together with other hospitals
only, answers few questions, and a person answers each negotiation.
"""

import asyncio
import json
from pathlib import Path

from medspace.adapters.duckdb.drafting import Draft, candidates, draft
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import HttpDocuments
from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.adapters.mldsa import open_mldsa_keys
from medspace.adapters.ownership import write_owned
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.config import ConfigError, read_config
from medspace.app.setup.wishes import (
    FewPersonsError,
    PersonUnknownError,
    WishError,
    Wishes,
    check,
    end,
    identity,
    questions,
)
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.privacy.publication import LEAST
from medspace.trust.did import did_web
from medspace.trust.errors import DocumentError
from medspace.trust.jws import encode

__all__ = ["AuthorityUnknownError", "FewPersonsError", "PersonUnknownError", "WishError", "Wishes", "set_up"]

CONFIG = "medspace.toml"
PURPOSE = "ehds:HealthcareScientificResearch"
_SYSTEM_CLOCK = SystemClock()


class AuthorityUnknownError(InvalidInputError):
    """The authority's key could not be had."""

    code = "setup.authority"
    sentence = msgid("The key of the authority {did} could not be fetched: {reason}.")
    next_step = msgid("Start the authority's connector first, or give its key with --authority-key.")


def set_up(folder: Path, wishes: Wishes, *, clock: Clock = _SYSTEM_CLOCK) -> JsonObject:
    """Write everything a new connector needs; an existing configuration is never overwritten.

    Raises:
        ConfigError: there is a configuration already.
        WishError, DidError: something that was asked for cannot be.
        PersonUnknownError: a table is offered, and which column names the persons was not said.
        FewPersonsError: it holds fewer persons than a result needs.
        TableUnreadableError, TableRefusedError: the file that is offered cannot be read.
        AuthorityUnknownError: the authority's key could not be fetched.
    """
    file = folder / CONFIG
    if file.exists():
        raise ConfigError(file=str(file), reason=Text(msgid("it exists already; choose another folder")))
    check(wishes)
    until = end(wishes, clock)
    drafted = _draft(wishes, wishes.offer) if wishes.offer else None
    authority_key = wishes.authority_key or _authority_key(wishes)
    make_folder(folder)
    make_folder(folder / "keys")
    key = folder / "keys" / "participant.pem"
    signer = create_key(key)
    open_mldsa_keys(key, None, clock=clock, randomness=SystemRandomness())
    create_token(folder / "keys" / "private.token")
    text = _config(wishes, authority_key or encode(signer.public_key))
    dictionary = None
    if drafted is not None and wishes.offer is not None:
        dictionary = folder / f"{identity(wishes.offer)}.dictionary.toml"
        write_owned(dictionary, drafted.toml)
        text += _offer(wishes, wishes.offer, drafted, until)
    write_owned(file, text)
    config = read_config(file)
    return {
        "folder": str(folder),
        "config": str(file),
        "did": config.did,
        "authority": config.space.authority,
        "authority_key": config.space.authority_key,
        "public_key": encode(signer.public_key),
        "to_review": [str(dictionary), str(file)] if dictionary else [],
        "answers": config.negotiations.answers,
        "questions": None if drafted is None else questions(wishes, drafted.persons),
        **_told(drafted),
    }


def _draft(wishes: Wishes, offer: Path) -> Draft:
    if not wishes.person and not wishes.rows_are_persons:
        likely = candidates(offer)
        seen = Text(msgid("; likely: {columns}"), {"columns": ", ".join(likely)}) if likely else ""
        raise PersonUnknownError(file=offer.name, seen=seen)
    drafted = draft(offer, wishes.person, least=max(LEAST, wishes.min_cohort))
    if drafted.persons < wishes.min_cohort:
        raise FewPersonsError(file=offer.name, persons=drafted.persons, least=wishes.min_cohort)
    return drafted


def _told(drafted: Draft | None) -> JsonObject:
    """What the draft leaves to a person, by names of columns; the reasons are texts in the language of the caller."""
    if drafted is None:
        return {"left_out": [], "unbounded": []}
    left_out = [{"column": each.name, "reason": each.reason} for each in drafted.left_out]
    return {"left_out": left_out, "unbounded": list(drafted.unbounded)}


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
# Loopback addresses are for trying out on one machine; a connector that others reach refuses to start with them.
allow = ["127.0.0.0/8"]

[log]
# For people; "json" is for programs.
format = "text"
"""


def _offer(wishes: Wishes, offer: Path, drafted: Draft, until: str) -> str:
    """The settings of the offer: who answers, the dataset, its label, its terms."""
    name = identity(offer)
    count = "" if wishes.count is None else f"count = {wishes.count}\n"
    holders = f"holders = {json.dumps(wishes.holders)}\n" if wishes.holders else ""
    return f"""
[negotiations]
# "manual": a person answers each one (`medspace negotiations`, `medspace answer`); "automatic": the terms do.
answers = "{wishes.answers}"

[[assets]]
id = {_quoted(name)}
title = {_quoted(offer.stem)}
source = {_quoted(str(offer.resolve()))}
dictionary = {_quoted(f"{name}.dictionary.toml")}
# Questions a year, over all users: a tenth of the persons where nobody says otherwise. More questions tell more.
questions = {questions(wishes, drafted.persons)}

[assets.label]
purposes = ["{PURPOSE}"]
kinds = ["medspace:train"]
regions = ["World"]
valid_until = "{until}"

[[assets.offers]]
template = "train-only"

[assets.offers.terms]
purposes = ["{PURPOSE}"]
until = "{until}"
{count}min_cohort = {wishes.min_cohort}
# Hospitals in each sum, besides one that may tell what it sees (`colluders`): a training takes one more than these.
min_sites = {wishes.min_sites}
{holders}"""


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped (TOML 1.0, String).
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
