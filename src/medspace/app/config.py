"""What a connector is told at start: one TOML file, read strictly, paths relative to the file.

Unknown names are refused: a misspelt setting must not silently do nothing.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from medspace.adapters.http.guard import NEVER_OPENED
from medspace.adapters.http.proxy import Proxy
from medspace.adapters.ownership import check_owned, check_unread, read_owned
from medspace.app.listener_limits import LOOPBACK
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.trust.did import did_web

LARGEST_FILE = 1 << 20
LONGEST_MINUTES = 7 * 24 * 60  # between two checkpoints
FEWEST_DAYS = 366  # that questions are kept: those of the last year count
PASSPHRASE = "MEDSPACE_KEY_PASSPHRASE"  # noqa: S105 - the variable that may hold the passphrase of the key


_NARROW = {4: 24, 6: 64}  # the narrowest prefix that is still a network of another member


_PASSWORD = re.compile(r"[^:/]+://[^/@]*:[^/]*@")  # a database URL with one


class ConfigError(InvalidInputError):
    """The configuration cannot be used."""

    code = "config.invalid"
    sentence = msgid("The configuration {file} cannot be used: {reason}.")
    next_step = msgid("Fix the file, name another one with --config, or write a new one with `medspace init`.")


class NetworkOpenError(ConfigError):
    """A connector that others reach may call addresses that only this machine or its network has."""

    code = "config.network"
    sentence = msgid(
        "The configuration {file} lets other members have this connector call {network} ([network] allow): {reason}."
    )
    next_step = msgid(
        "Take {network} out of [network] allow; name only networks of other members' connectors, such as 10.1.2.0/24."
    )


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Participant(_Table, frozen=True):
    """Who this connector stands for; `key` is the file of its Ed25519 key."""

    name: str
    key: str = "keys/participant.pem"
    did: str = ""
    region: str = ""
    roles: tuple[str, ...] = ()


class Public(_Table, frozen=True):
    """The public listener: where it is bound, and how it is reached from outside.

    Behind a proxy, `proxies` are the networks that it calls from: only there X-Forwarded-For is believed.
    """

    port: int
    host: str = "127.0.0.1"
    url: str = ""
    certificate: str = ""
    certificate_key: str = ""
    behind_proxy: bool = False
    proxies: tuple[str, ...] = LOOPBACK


class Private(_Table, frozen=True):
    """The private listener: the management API, protected by the token in a file."""

    port: int
    host: str = "127.0.0.1"
    token: str = "keys/private.token"  # noqa: S105 - the file of the token, not the token


class Storage(_Table, frozen=True):
    """Where everything is kept: an SQLAlchemy URL."""

    url: str = "sqlite:///connector.db"


class Space(_Table, frozen=True):
    """The space that the connector belongs to; `authority_key` (base64url) is the authority's public key."""

    authority: str
    authority_key: str = ""


class Negotiations(_Table, frozen=True):
    """Who answers negotiations: `automatic` by policy, or `manual`, held for a person."""

    answers: Literal["automatic", "manual"] = "automatic"


class Quota(_Table, frozen=True):
    """What one member may use: open negotiations and transfers, megabytes of messages in 30 days, and of parts.

    What nobody moves for `idle_days` days is ended.
    """

    negotiations: int = 500
    transfers: int = 500
    megabytes: int = 64
    idle_days: int = 30
    part_megabytes: int = 4096


class Network(_Table, frozen=True):
    """What may be called: networks beyond the public internet, and a file of certificate authorities.

    `proxy` (`http://host:port`, or `https://` for TLS to the proxy itself) is the only way out where the connector
    itself may not call others; nothing of the environment is read. `proxy_password` is the file of the password that
    `proxy_user` has there.
    """

    allow: tuple[str, ...] = ()
    certificates: str = ""
    proxy: str = ""
    proxy_user: str = ""
    proxy_password: str = ""


class PartStore(_Table, frozen=True):
    """Where parts of questions and answers are kept, until their use ends or nobody has used them for `keep_days`."""

    folder: str = "parts"
    keep_days: int = 30


class Logging(_Table, frozen=True):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class Questions(_Table, frozen=True):
    """The questions that were asked of the assets: kept sealed for `keep_days`, under the secret in a file."""

    secret: str = "keys/questions.secret"  # noqa: S105 - the file of the secret, not the secret
    keep_days: int = 730


class Jobs(_Table, frozen=True):
    """The uses that were started here: `secret` is the file of the secret that their tokens are derived from."""

    secret: str = "keys/jobs.secret"  # noqa: S105 - the file of the secret, not the secret


class Checkpoints(_Table, frozen=True):
    """How often the log is signed by itself, and the file that keeps what was signed, where one is named.

    The file is only added to; put it where nobody who can change the database can write over it.
    """

    minutes: int = 60
    file: str = ""


class Coordination(_Table, frozen=True):
    """For which members this connector leads runs that they hand over: those named, or everybody; else nobody."""

    members: tuple[str, ...] = ()
    everybody: bool = False

    def allows(self, did: str) -> bool:
        """Whether runs of that member are led here."""
        return self.everybody or did in self.members


class Offer(_Table, frozen=True):
    """One offer: a policy template and its terms."""

    template: str
    terms: JsonObject = {}


class PrivacyBudget(_Table, frozen=True):
    """What noisy answers of an asset may tell in a year, all users together, as epsilon at `delta`.

    `delta` is at most 1 / persons. `agreement` is what one agreement may take in all its time, `task` what one task
    may; without them, as much as there is. `unit` is what the noise protects: all rows of a patient, or a single row
    (`event`), where the contract says so as well. With `exact`, exact answers stay possible, and no budget bounds
    them. `warn` is the share of the year at which the log says that it comes to an end.
    """

    epsilon: float
    delta: float = 1e-5
    agreement: float | None = None
    task: float | None = None
    unit: Literal["patient", "event"] = "patient"
    exact: bool = False
    warn: float = 0.8


class Asset(_Table, frozen=True):
    """One dataset that is offered: its source, dictionary, label and offers.

    `source` is a path, or an address that begins with its scheme, such as `csv:`, `postgresql:` or `images:`; `table`
    is the table of a database. `password` is the file of the password that the address needs. `questions` is how many
    it answers a year, all users together; a tenth of its persons where nothing is said. `numbers` is how many numbers
    that persons stand behind leave it in all, all users together; as many as it has cells where nothing is said.
    `budget` is what answers with noise may tell; with one, exact answers are refused unless it says otherwise.
    """

    id: str
    title: str
    source: str
    dictionary: str
    label: JsonObject
    offers: tuple[Offer, ...]
    table: str = ""
    password: str = ""  # the file of the password, not the password
    questions: int | None = None  # a year, over all users
    numbers: int | None = None  # in all, over all users
    budget: PrivacyBudget | None = None
    description: str = ""
    keywords: tuple[str, ...] = ()


class Config(_Table, frozen=True):
    """The whole file."""

    participant: Participant
    public: Public
    private: Private
    space: Space
    database: Storage = Storage()
    negotiations: Negotiations = Negotiations()
    network: Network = Network()
    quotas: Quota = Quota()
    parts: PartStore = PartStore()
    log: Logging = Logging()
    questions: Questions = Questions()
    jobs: Jobs = Jobs()
    checkpoints: Checkpoints = Checkpoints()
    coordination: Coordination = Coordination()
    assets: tuple[Asset, ...] = ()
    folder: str = ""  # where the file lies; set on reading

    @property
    def base_url(self) -> str:
        """The public base URL, without a slash at its end."""
        scheme = "https" if self.public.certificate else "http"
        return (self.public.url or f"{scheme}://{self.public.host}:{self.public.port}").rstrip("/")

    @property
    def did(self) -> str:
        """The participant's DID; derived from the public URL where the file names none."""
        return self.participant.did or did_web(self.base_url)

    @property
    def in_production(self) -> bool:
        """Whether others reach this connector; else it is tried out on one machine, and may call itself."""
        did = self.did.removeprefix("did:web:").partition(":")[0].partition("%3A")[0]
        names = (self.public.host, urlsplit(self.base_url).hostname or "", did)
        return self.public.behind_proxy or not all(map(is_loopback, names))

    @property
    def is_authority(self) -> bool:
        """Whether this connector is the authority of its space."""
        return self.did == self.space.authority

    @property
    def database_url(self) -> str:
        """The database URL with a relative SQLite path made absolute."""
        marker = "sqlite:///"
        url = self.database.url
        if not url.startswith(marker) or url.startswith(marker + "/"):
            return url
        return marker + str(self.path(url.removeprefix(marker)))

    def path(self, name: str) -> Path:
        """A path of the file, relative to the folder that the file lies in."""
        return Path(self.folder or ".").resolve() / name


def read_config(file: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: it is missing, too large, not TOML, has unknown or missing names, or asks for what is refused.
        FileExposedError, FileForeignError: others can change it, its folder, or a certificate that it names.
        FileReadableError: it holds the password of a database, its own or an asset's, and others can read it.
    """
    try:
        content = read_owned(file, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise ConfigError(file=str(file), reason=Text(msgid("it is larger than 1 MiB")))
        config = msgspec.toml.decode(content, type=Config)
    except OSError as error:
        raise ConfigError(file=str(file), reason=error.strerror or str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(file=str(file), reason=str(error)) from error
    config = msgspec.structs.replace(config, folder=str(file.resolve().parent))
    for reason in _objections(config):
        raise ConfigError(file=str(file), reason=reason)
    if any(map(_PASSWORD.match, (config.database.url, *(asset.source for asset in config.assets)))):
        check_unread(file)
    if config.in_production:
        _check_networks(file, config.network.allow)
    for name in (config.public.certificate, config.public.certificate_key, config.network.certificates):
        if name:
            check_owned(config.path(name))
    return config


def _objections(config: Config) -> Iterator[Text]:
    """What a connector must not be started with."""
    if not _protected(config.public):
        yield Text(
            msgid(
                "public.host is not loopback and there is no TLS: name public.certificate and "
                "public.certificate_key, or set public.behind_proxy = true if a proxy ends TLS"
            )
        )
    if not _reachable(config.public):
        yield Text(msgid("public.url is missing: public.host is only where the connector listens, not its name"))
    if bool(config.public.certificate) != bool(config.public.certificate_key):
        yield Text(msgid("public.certificate and public.certificate_key go together"))
    if not is_loopback(config.private.host):
        yield Text(msgid("private.host must be a loopback address: reach it by a tunnel"))
    if config.public.port == config.private.port and config.public.port != 0:
        yield Text(msgid("public.port and private.port must differ"))
    if not config.is_authority and not config.space.authority_key:
        yield Text(msgid("space.authority_key is missing: the authority's public key, as `medspace init` shows it"))
    if len({asset.id for asset in config.assets}) != len(config.assets):
        yield Text(msgid("two assets have the same id"))
    yield from _bad_numbers(config)
    yield from _bad_networks("network.allow", config.network.allow)
    yield from _bad_networks("public.proxies", config.public.proxies)
    yield from _bad_proxy(config.network)
    yield from _unreadable(config)


def _bad_numbers(config: Config) -> Iterator[Text]:
    """Limits that would not limit."""
    if config.questions.keep_days < FEWEST_DAYS:
        least = {"days": FEWEST_DAYS}
        yield Text(
            msgid("questions.keep_days is less than {days}: what was asked in a year limits what may be"), least
        )
    if any(asset.questions is not None and asset.questions < 0 for asset in config.assets):
        yield Text(msgid("the questions of an asset are a number from 0 on"))
    if any(asset.numbers is not None and asset.numbers < 0 for asset in config.assets):
        yield Text(msgid("the numbers of an asset are a number from 0 on"))
    if not 1 <= config.checkpoints.minutes <= LONGEST_MINUTES:
        most = {"most": LONGEST_MINUTES}
        yield Text(msgid("checkpoints.minutes is a number from 1 to {most}"), most)
    if config.parts.keep_days < 1:
        yield Text(msgid("parts.keep_days is at least 1"))
    if min(msgspec.structs.astuple(config.quotas)) < 1:
        yield Text(msgid("each number under [quotas] is at least 1"))


def _unreadable(config: Config) -> Iterator[Text]:
    """Texts that others will see, with what would drive their terminals or turn the direction of a line."""
    shown = [("participant.name", config.participant.name), ("participant.region", config.participant.region)]
    shown += [(f"assets.{name}", getattr(asset, name)) for asset in config.assets for name in ("id", "title")]
    for name, text in shown:
        if not text.isprintable():
            yield Text(msgid("{name} holds a character that cannot be shown"), {"name": name})


def _protected(public: Public) -> bool:
    return is_loopback(public.host) or public.behind_proxy or bool(public.certificate)


def _reachable(public: Public) -> bool:
    """Whether it is said how others reach it: did:web takes names, and addresses on loopback only."""
    return bool(public.url) or is_loopback(public.host) or not _is_address(public.host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a bind address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_networks(file: Path, networks: tuple[str, ...]) -> None:
    """What a callback address of another member could otherwise reach (OWASP SSRF, CWE-918)."""
    for network in networks:
        read = ip_network(network)
        reason = None
        if any(read.overlaps(closed) for closed in NEVER_OPENED if closed.version == read.version):
            reason = Text(msgid("services of this machine, of its link or of its cloud answer there"))
        elif read.prefixlen < _NARROW[read.version]:
            facts = {"v4": _NARROW[4], "v6": _NARROW[6]}
            reason = Text(msgid("it is wider than /{v4} (IPv4) or /{v6} (IPv6), so it holds much besides"), facts)
        if reason is not None:
            raise NetworkOpenError(file=str(file), network=network, reason=reason)


def _bad_proxy(network: Network) -> Iterator[Text]:
    try:
        if network.proxy:
            Proxy.of(network.proxy)
    except ValueError:
        reason = msgid("network.proxy: {proxy} is not an address such as http://proxy.example:3128")
        yield Text(reason, {"proxy": network.proxy.rpartition("@")[2]})  # what is before it may be a password
        return
    try:
        Proxy.of("http://any:1", network.proxy_user)
    except ValueError:
        yield Text(msgid("network.proxy_user holds a colon or a character that cannot be shown, or is too long"))
    if bool(network.proxy_user) != bool(network.proxy_password) or (network.proxy_user and not network.proxy):
        yield Text(msgid("network.proxy, proxy_user and proxy_password (a file) belong together"))


def _bad_networks(setting: str, networks: tuple[str, ...]) -> Iterator[Text]:
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            reason = msgid("{setting}: {network} is not a network such as 10.1.0.0/16")
            yield Text(reason, {"setting": setting, "network": network})
