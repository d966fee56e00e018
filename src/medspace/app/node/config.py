"""The configuration of a connector: one TOML file, read strictly, with paths relative to the file.

Unknown names are refused, since a misspelt setting must not be ignored silently.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from medspace.adapters.filenames import absolute, is_folder
from medspace.adapters.http.guard import NEVER_OPENED
from medspace.adapters.http.proxy import Direct, Proxy
from medspace.adapters.logs import LogFile
from medspace.adapters.oswords import why
from medspace.adapters.ownership import check_owned, check_unread, read_owned
from medspace.app.node import credentials, portal, wallets
from medspace.app.node.credentials import CredentialSettings
from medspace.app.node.listening.limits import LOOPBACK
from medspace.app.node.networks import bad_networks, is_address, is_address_of_web, is_loopback
from medspace.app.node.wallets import WalletSettings
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.misfits import MisfitError
from medspace.core.misfits import Path as Place
from medspace.core.misfits import shown as place_of
from medspace.core.text import Fact, Text, msgid
from medspace.core.toml import line_of, read_toml
from medspace.policy.regions import unnamed_region
from medspace.trust.did import did_web

NAME = "medspace.toml"
LARGEST_FILE = 1 << 20
LARGEST_PORT = 65_535
LONGEST_MINUTES = 7 * 24 * 60  # between two checkpoints
MOST_LOGS = 1000  # rotated files that are kept
LONGEST_STOP = 3600  # seconds
FEWEST_DAYS = 366  # for which questions are kept: those of the last year count
PASSPHRASE = "MEDSPACE_KEY_PASSPHRASE"  # noqa: S105 - the variable that may hold the passphrase of the key


Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "gb18030",
    "big5",
    "shift-jis",
    "euc-kr",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "latin-1",
]
Figure = Literal["size", "missing"]  # what a catalogue may say of the content of an asset, beside its dictionary
MOST_SKIPPED = 1000  # lines above the column names of a table
LONGEST_SHOWN = 64  # characters of a wrong value that are shown

_NARROW = {4: 24, 6: 64}  # the narrowest prefix that can still be another member's network


_SETTING = re.compile(r"\b([a-z]+)(?:\.([a-z_]+)|\])")  # a setting as an error names it: public.host, or [quotas]
_PASSWORD = re.compile(
    r"[^:/]+://([^:/@]*:.*@|.*[?&][a-z_]*pass[a-z_]*=)", re.IGNORECASE
)  # a database URL with a password


class ConfigError(InvalidInputError):
    """The configuration cannot be used."""

    code = "config.invalid"
    sentence = msgid("The configuration {file} cannot be used: {reason}.")
    next_step = msgid("Fix the file, name another one with --config, or write a new one with `medspace init`.")


class NetworkOpenError(ConfigError):
    """A connector that others reach may call addresses that belong to this machine or its network only."""

    code = "config.network"
    sentence = msgid(
        "The configuration {file} lets other members have this connector call {network} ([network] allow): {reason}."
    )
    next_step = msgid(
        "Take {network} out of [network] allow; name only networks of other members' connectors, such as 10.1.2.0/24."
    )


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Participant(_Settings, frozen=True):
    """Who this connector stands for; `key` is the file of its Ed25519 key."""

    name: str
    key: str = "keys/participant.pem"
    did: str = ""
    region: str = ""
    roles: tuple[str, ...] = ()


class Public(_Settings, frozen=True):
    """The public listener: where it is bound, and how it is reached from outside.

    Behind a proxy, `proxies` are the networks that it calls from: only there X-Forwarded-For is believed. With
    `keeps_prefix` it leaves the path of `url` on the paths that it passes on; otherwise it takes it off.
    """

    port: int
    host: str = "127.0.0.1"
    url: str = ""
    certificate: str = ""
    certificate_key: str = ""
    behind_proxy: bool = False
    keeps_prefix: bool = False
    proxies: tuple[str, ...] = LOOPBACK


class Private(_Settings, frozen=True):
    """The private listener: the management API, protected by the owner's token in a file, and tokens that it made.

    `person` is whose the owner's token is: with it they are one actor with their other tokens.
    """

    port: int
    host: str = "127.0.0.1"
    token: str = "keys/private.token"  # noqa: S105 - the file of the token, not the token
    person: str = ""


class Portal(_Settings, frozen=True):
    """The pages for people: `url` is where browsers reach them, `http://localhost:` and the private port without it.

    Passkeys are bound to its host: with another host all have to be made anew. It begins with https, unless it is
    localhost, and has no path. `oidc` is the hospital's own login, where people sign in with that.
    """

    url: str = ""
    oidc: portal.OidcSettings | None = None


class Storage(_Settings, frozen=True):
    """The database, as an SQLAlchemy URL."""

    url: str = "sqlite:///connector.db"


class SpaceSettings(_Settings, frozen=True):
    """The space that the connector belongs to; `authority_key` (base64url) is the authority's public key."""

    authority: str
    authority_key: str = ""


class NegotiationSettings(_Settings, frozen=True):
    """Who answers negotiations: `automatic` by policy, `manual`, by a person, or `two-persons`, by two."""

    answers: Literal["automatic", "manual", "two-persons"] = "automatic"


class Quota(_Settings, frozen=True):
    """What one member may use: open negotiations and transfers, megabytes of messages in 30 days, and of parts.

    What nobody moves for `idle_days` days is ended.
    """

    negotiations: int = 500
    transfers: int = 500
    megabytes: int = 64
    idle_days: int = 30
    part_megabytes: int = 4096


class Network(_Settings, frozen=True):
    """What may be called: networks beyond the public internet, and a file of certificate authorities.

    `proxy` (`http://host:port`, or `https://` for TLS to the proxy itself) is the only way out where the connector
    itself may not call others; nothing of the environment is read. `proxy_password` is the file of the password that
    `proxy_user` has there. `no_proxy` are names, domains (`.hospital.cn`) and networks that are called directly. With
    `proxy_resolves` the proxy is asked for names instead of checked addresses, where no resolver here knows them.
    """

    allow: tuple[str, ...] = ()
    certificates: str = ""
    proxy: str = ""
    proxy_user: str = ""
    proxy_password: str = ""
    no_proxy: tuple[str, ...] = ()
    proxy_resolves: bool = False


class PartStore(_Settings, frozen=True):
    """Where parts of questions and answers are kept, until their use ends or nobody has used them for `keep_days`."""

    folder: str = "parts"
    keep_days: int = 30


class Logging(_Settings, frozen=True):
    """What is logged, in which form, and where: on standard error, unless a `file` is named.

    A file that has `max_megabytes` is put aside as `file.1` and begun anew; `keep` of those are kept.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"
    file: str = ""
    max_megabytes: int = 100
    keep: int = 10


class Service(_Settings, frozen=True):
    """How the connector ends: for how many seconds steps that are in work may go on once it is told to stop."""

    stop_seconds: int = 60


class QuestionSettings(_Settings, frozen=True):
    """The questions that were asked of the assets: kept sealed for `keep_days`, under the secret in a file."""

    secret: str = "keys/questions.secret"  # noqa: S105 - the file of the secret, not the secret
    keep_days: int = 730


class Jobs(_Settings, frozen=True):
    """The uses that were started here: `secret` is the file of the secret that their tokens are derived from."""

    secret: str = "keys/jobs.secret"  # noqa: S105 - the file of the secret, not the secret


class Checkpoints(_Settings, frozen=True):
    """How often the log is signed by itself, and the file that keeps what was signed, where one is named.

    The file is only added to; put it where nobody who can change the database can write over it.
    """

    minutes: int = 60
    file: str = ""


class CoordinationSettings(_Settings, frozen=True):
    """For which members this connector leads runs that they hand over: those named, or everybody; else nobody."""

    members: tuple[str, ...] = ()
    everybody: bool = False

    def allows(self, did: str) -> bool:
        """Whether runs of that member are led here."""
        return self.everybody or did in self.members


class Offer(_Settings, frozen=True):
    """One offer: a policy template and its terms."""

    template: str
    terms: JsonObject = {}


class PrivacyBudget(_Settings, frozen=True):
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


class CsvForm(_Settings, frozen=True):
    """How a text file writes its table; `medspace draft` finds it.

    `encoding` is one of those that `medspace draft` knows; `delimiter` stands between cells (found by the first line,
    where nothing is said); `skip_lines` lines stand above the names. `names` are those of the columns of a file that
    has none; `leave_out_rows` says which rows do not count: `empty` ones, those of a `total`, and single ones by
    their numbers, as a spreadsheet counts them.
    """

    encoding: Encoding = "utf-8"
    delimiter: str = ""
    skip_lines: int = 0
    names: tuple[str, ...] = ()
    leave_out_rows: tuple[Literal["empty", "total"] | int, ...] = ()


class Asset(_Settings, frozen=True):
    """One dataset that is offered: its source, dictionary, label and offers.

    `source` is a path, or an address that begins with its scheme, such as `csv:`, `postgresql:` or `images:`; `table`
    is the table of a database, `csv` how a text file is written. `password` is the file of the password that the
    address needs. `questions` is how many it answers a year, all users together; a tenth of its persons where
    nothing is said. `numbers` is how many numbers that persons stand behind leave it in all, all users together; as
    many as it has cells where nothing is said. `budget` is what answers with noise may tell; with one, exact
    answers are refused unless it says otherwise.
    `publish` is what the catalogue says of its content beside its dictionary, rounded: how many patients it has
    (`size`), and of how many a value is missing (`missing`); nothing where nothing is said.
    `made_from` are the ids of models of this connector that it was made of: its label allows no more than theirs.
    With `offered = false` it is in no catalogue: nobody agrees on it any more, and agreements that stand go on.
    """

    id: str
    title: str
    source: str
    dictionary: str
    label: JsonObject
    offers: tuple[Offer, ...]
    table: str = ""
    csv: CsvForm | None = None
    password: str = ""  # the file of the password, not the password
    questions: int | None = None  # a year, over all users
    numbers: int | None = None  # in all, over all users
    budget: PrivacyBudget | None = None
    description: str = ""
    keywords: tuple[str, ...] = ()
    publish: tuple[Figure, ...] = ()
    offered: bool = True
    made_from: tuple[str, ...] = ()


class Config(_Settings, frozen=True):
    """The whole file."""

    participant: Participant
    public: Public
    private: Private
    space: SpaceSettings
    portal: Portal = Portal()
    database: Storage = Storage()
    negotiations: NegotiationSettings = NegotiationSettings()
    network: Network = Network()
    quotas: Quota = Quota()
    parts: PartStore = PartStore()
    log: Logging = Logging()
    service: Service = Service()
    questions: QuestionSettings = QuestionSettings()
    jobs: Jobs = Jobs()
    checkpoints: Checkpoints = Checkpoints()
    coordination: CoordinationSettings = CoordinationSettings()
    credentials: CredentialSettings = CredentialSettings()
    wallets: WalletSettings = WalletSettings()
    assets: tuple[Asset, ...] = ()
    folder: str = ""  # the folder of the file; set on reading
    file: str = ""  # its file name there; set on reading

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
        """Whether others reach this connector.

        Otherwise it is being tried out on one machine, and may call itself.
        """
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
        """A path of the file, relative to the folder of the file."""
        return Path(self.folder or ".").resolve() / name


def read_config(file: Path) -> Config:
    """Read and check a configuration file; a folder means the `medspace.toml` in it.

    Raises:
        ConfigError: it is missing, too large, not TOML, has unknown or missing names, or a setting that is refused.
        FileExposedError, FileForeignError: others can change it, its folder, or a certificate that it names.
        FileReadableError: it holds the password of a database, its own or an asset's, and others can read it.
    """
    file = file / NAME if is_folder(file) else file
    try:
        content = read_owned(file, LARGEST_FILE)
        if len(content) > LARGEST_FILE:
            raise ConfigError(file=str(file), reason=Text(msgid("it is larger than 1 MiB")))
        config = read_toml(content, Config)
    except OSError as error:
        raise ConfigError(file=str(file), reason=why(error)) from error
    except MisfitError as error:
        raise ConfigError(file=str(file), reason=error.reason) from error
    config = msgspec.structs.replace(config, folder=str(absolute(file).parent), file=absolute(file).name)
    for reason in _objections(config):
        raise ConfigError(file=str(file), reason=_placed(reason, content))
    if any(map(_PASSWORD.match, (config.database.url, *(asset.source for asset in config.assets)))):
        check_unread(file)
    if config.in_production:
        _check_networks(file, config.network.allow)
    for name in (config.public.certificate, config.public.certificate_key, config.network.certificates):
        if name:
            check_owned(config.path(name))
    return config


def _placed(reason: Text, content: bytes) -> Text:
    """The reason, with the line number of the first setting that it names."""
    for section, name in _SETTING.findall(str(reason)):
        line = line_of(content.decode("utf-8-sig"), (section, name) if name else (section,))
        if section in Config.__struct_fields__ and line is not None:
            return Text(msgid("line {line}: {reason}"), {"line": line, "reason": reason})
    return reason


def log_file(config: Config) -> LogFile | None:
    """The file of the log; None for standard error."""
    said = config.log
    return LogFile(config.path(said.file), said.max_megabytes << 20, said.keep) if said.file else None


def _objections(config: Config) -> Iterator[Text]:
    """Reasons not to start a connector with this configuration."""
    if not is_address_of_web(config.public.url):
        yield Text(msgid("public.url is not an address such as https://connector.example"))
        return
    if not _protected(config.public):
        yield Text(
            msgid(
                "public.host is not loopback and there is no TLS: name public.certificate and "
                "public.certificate_key, or set public.behind_proxy = true if a proxy ends TLS"
            )
        )
    if not _reachable(config.public):
        yield Text(msgid("public.url is missing: public.host is only where the connector listens, not its name"))
    if config.in_production and urlsplit(config.public.url).path.strip("/") and not config.public.behind_proxy:
        yield Text(
            msgid(
                "public.url has a path, which a proxy must take away before this connector: leave the path out, or "
                "set public.behind_proxy = true"
            )
        )
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
    yield from _bad_text_files(config)
    yield from _bad_region(config)
    yield from bad_networks("network.allow", config.network.allow)
    yield from bad_networks("public.proxies", config.public.proxies)
    yield from _bad_proxy(config.network)
    yield from filter(None, [portal.flaw(config.portal.url)])
    yield from credentials.flaws(config.credentials)
    yield from filter(None, [wallets.flaw(config.wallets, config.base_url, config.portal.url)])
    yield from portal.login_flaws(config.portal.oidc) if config.portal.oidc else ()
    yield from _unreadable(config)


def _bad_numbers(config: Config) -> Iterator[Text]:
    """Limits that would limit nothing."""
    if config.questions.keep_days < FEWEST_DAYS:
        least = {"days": FEWEST_DAYS}
        yield Text(
            msgid("questions.keep_days is less than {days}: what was asked in a year limits what may be"), least
        )
    for name, port in (("public.port", config.public.port), ("private.port", config.private.port)):
        if not 0 <= port <= LARGEST_PORT:
            yield Text(msgid("{name} is a number from 0 to {most}"), {"name": name, "most": LARGEST_PORT})
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
    yield from _bad_service(config)


def _bad_service(config: Config) -> Iterator[Text]:
    """Limits on the service and its log that are out of range."""
    if config.log.max_megabytes < 1 or not 0 <= config.log.keep <= MOST_LOGS:
        yield Text(
            msgid("log.max_megabytes is at least 1, and log.keep a number from 0 to {most}"), {"most": MOST_LOGS}
        )
    if not 0 <= config.service.stop_seconds <= LONGEST_STOP:
        yield Text(msgid("service.stop_seconds is a number from 0 to {most}"), {"most": LONGEST_STOP})


def _bad_region(config: Config) -> Iterator[Text]:
    reason = unnamed_region(config.participant.region)
    if reason is not None:
        facts: dict[str, Fact | Text] = {"region": config.participant.region[:LONGEST_SHOWN], "reason": reason}
        yield Text(msgid("participant.region {region}: {reason}"), facts)


def _bad_text_files(config: Config) -> Iterator[Text]:
    for asset in config.assets:
        form = asset.csv
        if form is not None and (len(form.delimiter) > 1 or form.delimiter in ('"', "\n", "\r")):
            yield Text(msgid("the delimiter of {asset} is not one character"), {"asset": asset.id})
        if form is not None and not 0 <= form.skip_lines <= MOST_SKIPPED:
            facts: dict[str, Fact | Text] = {"asset": asset.id, "most": MOST_SKIPPED}
            yield Text(msgid("skip_lines of {asset} is a number from 0 to {most}"), facts)


def _unreadable(config: Config) -> Iterator[Text]:
    """Texts shown to others that contain characters which control a terminal or reverse the direction of a line."""
    shown = [("participant.name", config.participant.name), ("participant.region", config.participant.region)]
    shown += [(f"assets.{name}", getattr(asset, name)) for asset in config.assets for name in ("id", "title")]
    shown += [(name, text) for name, text in _texts(msgspec.to_builtins(config)) if "\0" in text]  # mainly paths
    for name, text in shown:
        if not text.isprintable():
            yield Text(msgid("{name} holds a character that cannot be shown"), {"name": name})


def _texts(value: Json, path: Place = ()) -> Iterator[tuple[str, str]]:
    """Every text of the file, with its place."""
    if isinstance(value, str):
        yield place_of(path), value
    elif isinstance(value, dict | list | tuple):
        for step, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(one, (*path, step))


def _protected(public: Public) -> bool:
    return is_loopback(public.host) or public.behind_proxy or bool(public.certificate)


def _reachable(public: Public) -> bool:
    """Whether the file says how others reach the connector: did:web takes host names, and only loopback addresses."""
    return bool(public.url) or is_loopback(public.host) or not is_address(public.host)


def _check_networks(file: Path, networks: tuple[str, ...]) -> None:
    """Addresses that a callback address of another member could otherwise reach (OWASP SSRF, CWE-918)."""
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
        yield Text(reason, {"proxy": network.proxy.rpartition("@")[2]})  # the part before it may be a password
        return
    try:
        Proxy.of("http://any:1", network.proxy_user)
    except ValueError:
        yield Text(msgid("network.proxy_user holds a colon or a character that cannot be shown, or is too long"))
    try:
        Direct.of(network.no_proxy)
    except ValueError:
        yield Text(msgid("network.no_proxy contains an entry that is not a host name, .domain or network"))
    if (network.no_proxy or network.proxy_resolves) and not network.proxy:
        yield Text(msgid("network.no_proxy and proxy_resolves say nothing without network.proxy"))
    if bool(network.proxy_user) != bool(network.proxy_password) or (network.proxy_user and not network.proxy):
        yield Text(msgid("network.proxy, proxy_user and proxy_password (a file) belong together"))
