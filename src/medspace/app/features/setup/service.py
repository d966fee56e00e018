"""`medspace init`: a folder with configuration, keys and, for an offered file, a drafted data dictionary.

Omitted options get safe defaults: an offer ends, is limited in uses, needs other hospitals, answers few questions,
and a person answers each negotiation.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from medspace.adapters.filenames import is_there
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import HttpDocuments
from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.adapters.mldsa import open_mldsa_keys
from medspace.adapters.ownership import write_owned
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.features.setup.folders import ConfiguredError, new_folder
from medspace.app.node.config import NAME, Config, read_config
from medspace.app.node.holdings import Holding, open_holdings
from medspace.app.node.listening.addresses import is_free
from medspace.app.node.offering.errors import PersonUnknownError
from medspace.app.node.offering.origins import source_of
from medspace.app.node.offering.wishes import (
    FewPersonsError,
    WishError,
    Wishes,
    check,
    end,
    identity,
    questions,
    region_of,
)
from medspace.app.node.offering.writing import (
    asset_block,
    check_persons,
    draft_of,
    form_of,
    own_dictionary,
    quoted,
    told_of,
)
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.trust.did import did_web
from medspace.trust.errors import DocumentError
from medspace.trust.jws import encode

__all__ = [
    "AuthorityUnknownError",
    "FewPersonsError",
    "PersonUnknownError",
    "WishError",
    "Wishes",
    "set_up",
]

ABOUT_QUESTIONS = """\
# Questions a year, over all users: a tenth of the persons where nobody says otherwise. More questions tell more.\
"""
_SYSTEM_CLOCK = SystemClock()


class AuthorityUnknownError(InvalidInputError):
    """The authority's key could not be fetched."""

    code = "setup.authority"
    sentence = msgid("The key of the authority {did} could not be fetched: {reason}.")
    next_step = msgid("Start the authority's connector first, or give its key with --authority-key.")


def set_up(folder: Path, wishes: Wishes, *, clock: Clock = _SYSTEM_CLOCK) -> JsonObject:
    """Write everything a new connector needs; an existing configuration is never overwritten.

    Raises:
        ConfiguredError, NewFolderError: there is one already, or something else; or it cannot be written.
        WishError, DidError: a wish cannot be fulfilled.
        PersonUnknownError: a table is offered, and the column that names the persons was not given.
        RowsUnclearError: some of its rows seem to belong to no person.
        FewPersonsError: it has fewer persons than a result needs.
        TableUnreadableError, TableRefusedError: the offered file cannot be read.
        AuthorityUnknownError: the authority's key could not be fetched.
    """
    file = check_new(folder)
    check(wishes)
    until = end(wishes, clock)
    own = own_dictionary(wishes, wishes.dictionary) if wishes.offer and wishes.dictionary else None
    drafted = draft_of(wishes, wishes.offer) if wishes.offer and own is None else None
    authority_key = wishes.authority_key or authoritys_key(wishes)
    with new_folder(folder) as beside:
        public_key = _keys(beside, clock)
        text = _config(wishes, authority_key or encode(public_key))
        dictionary = None
        if own is not None:
            write_owned(beside / _dictionary(wishes), own.text)
            text += _offer(wishes, own.form, wishes.questions, until)
        if drafted is not None:
            dictionary = _dictionary(wishes)
            write_owned(beside / dictionary, drafted.toml)
            form = form_of(drafted.table, drafted.dialect, wishes.draft.password)
            text += _offer(wishes, form, questions(wishes, drafted.persons), until)
        write_owned(beside / NAME, text)
        config, held = _checked(beside / NAME)
        for holding in held:
            check_persons(wishes, holding.checked.persons)
    return _told(folder, config, held) | {
        "public_key": encode(public_key),
        "to_review": [str(folder / dictionary), str(file)] if dictionary else [],
        "ports_taken": _taken(config),
        **told_of(drafted, written=True),
    }


def _dictionary(wishes: Wishes) -> str:
    return f"{identity(wishes.title)}.dictionary.toml"


def _told(folder: Path, config: Config, held: Sequence[Holding]) -> JsonObject:
    """What was written, as JSON."""
    held_here = held[0] if held else None
    return {
        "folder": str(folder),
        "config": str(folder / NAME),
        "did": config.did,
        "authority": config.space.authority,
        "authority_key": config.space.authority_key,
        "answers": config.negotiations.answers,
        "questions": None if held_here is None else held_here.questions,
        "rows": None if held_here is None else held_here.checked.count,
        "persons": None if held_here is None else held_here.checked.persons,
    }


def _taken(config: Config) -> list[int]:
    """The ports of a configuration on which something else listens now."""
    ports = ((config.public.host, config.public.port), (config.private.host, config.private.port))
    return [port for host, port in ports if not is_free(host, port)]


def check_new(folder: Path) -> Path:
    """The file that the configuration of a new folder will be.

    Raises:
        ConfiguredError: there is one already.
    """
    file = folder / NAME
    if is_there(file):
        raise ConfiguredError(folder=str(folder), file=str(file))
    return file


def _keys(folder: Path, clock: Clock) -> bytes:
    """New keys and tokens; the public key."""
    make_folder(folder / "keys")
    key = folder / "keys" / "participant.pem"
    signer = create_key(key)
    open_mldsa_keys(key, None, clock=clock, randomness=SystemRandomness())
    create_token(folder / "keys" / "private.token")
    return signer.public_key


def _checked(file: Path) -> tuple[Config, Sequence[Holding]]:
    """The written configuration, read as `medspace up` and the doctor read it, including its table.

    Raises:
        MedspaceError: a connector could not start from it.
    """
    config = read_config(file)
    return config, open_holdings(config)


def authoritys_key(wishes: Wishes) -> str:
    """The key to pin: none yet for an authority itself, otherwise the one that its document shows now.

    Raises:
        AuthorityUnknownError: it shows none.
    """
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
name = {quoted(wishes.name)}
region = {quoted(region_of(wishes.region))}

[public]
# For other machines: set host and url, and certificate files or behind_proxy = true.
host = "127.0.0.1"
port = {wishes.port}

[private]
port = {wishes.port + 1}

[space]
authority = {quoted(wishes.authority or did)}
authority_key = {quoted(authority_key)}

[network]
# Loopback addresses are for trying out on one machine; a connector that others reach refuses to start with them.
allow = ["127.0.0.0/8"]

[log]
# For people; "json" is for programs.
format = "text"
"""


def _offer(wishes: Wishes, form: str, asked: int | None, until: str) -> str:
    """The settings of the offer: who answers, the dataset, its label, its terms."""
    name, source = identity(wishes.title), source_of(wishes.offer or Path())
    return f"""
[negotiations]
# "manual": a person answers each one (`medspace negotiations`, `medspace answer`); "automatic": the terms do.
answers = "{wishes.answers}"

{
        asset_block(
            wishes,
            name=name,
            title=wishes.title,
            source=source,
            dictionary=_dictionary(wishes),
            until=until,
            asked=asked,
            form=form,
        )
    }"""
