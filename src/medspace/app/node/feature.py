"""What a feature adds to a connector: its parts, its doors, its background work. One folder, one line in compose.

Heavy modules (FastAPI, numpy, httpx) are imported inside the functions named here, when they are first needed: a
connector that does not use a feature neither starts slower nor needs more memory because of it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from medspace.app.node.checks import Examination, HealthCheck

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.node.announcing import Announcement, Entrance, TokenFor
    from medspace.app.node.config import Config
    from medspace.app.node.feeds import Watched
    from medspace.app.node.node import Node, Standing
    from medspace.app.node.pages import PortalPages
    from medspace.app.node.sources import Scheme
    from medspace.connector.transfer.service import Objection
    from medspace.connector.usage.conditions import Maker
    from medspace.connector.usage.service import Makers
    from medspace.core.clock import Clock
    from medspace.core.store import Collection, Transaction
    from medspace.core.text import Text
    from medspace.ledger.kinds import EntryKind
    from medspace.runs.ports import Algorithm
    from medspace.services.wallets.ports import PatientOffice
    from medspace.trust.model import Facts, MemberList

S = TypeVar("S")
Later: TypeAlias = Callable[[], Awaitable[S]]  # the service, once it is there
# In a transaction, of the participant's DID, at an instant, for the reason of that code; what to tell people of it.
# In a transaction, with the newest members list: what is known of a participant, and what a feature knows besides.
Knows: TypeAlias = "Callable[[Transaction, MemberList, Facts], Facts]"
TakesBack: TypeAlias = "Callable[[Transaction, str, datetime, str], Text]"


def _no_collections() -> "tuple[Collection[Any], ...]":
    return ()


def _no_conditions() -> "tuple[Maker, ...]":
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature(Generic[S]):
    """One thing that people do, and everything that the program has for it.

    - `collections`: the records that it keeps; `migrations`: the folder of the files that create their tables.
    - `engines`: what it serves near the data, by DSP format and task name; `algorithms`: what runs compute.
    - `conditions`: its reasons to refuse or limit a use; `sources`: where data may be kept, by address scheme.
    - `objections`: its reasons not to let somebody here begin a use of the data of others.
    - `knows`: what it adds to the facts about a participant; looked up for each decision.
    - `kinds`: the kinds of entries that it writes into the log; `codes`: the codes with which it refuses others.
    - `service`: creates the object that its doors call, once per connector, on first use.
    - `routes`: of the management API; `public`: of the public door; `pages`: of the portal; `verbs`: adds commands to
      the command line; `client`: the class with its SDK methods.
    - `local_verbs`: which of its commands, by their path, work on files and ask no connector.
    - `announced`: what it adds to the DID document and the version document, if anything in this configuration.
    - `entrance`: another way to prove who calls at the public door; `tokens`: what calls to others carry instead.
    - `watched`: the things whose states can be streamed, by their name in the path.
    - `work`: background work of a running connector; it stops when it is cancelled.
    - `checks`: its checks for the doctor, from the configuration and, if the connector runs, through the SDK.
    - `standing`: what it reports on a dataset in a dry run, as JSON and in sentences.
    - `patients`: where what patients sign counts, and where it is known who used their data; of one feature at most.
    - `restored`: takes back, once a backup was restored, what may have been taken back since it was made.
    """

    name: str
    collections: "Callable[[], tuple[Collection[Any], ...]]" = _no_collections
    migrations: Path | None = None
    engines: "Makers" = field(default_factory=dict)
    algorithms: "tuple[Callable[[], Algorithm], ...]" = ()
    conditions: "Callable[[], tuple[Maker, ...]]" = _no_conditions
    sources: "Mapping[str, Scheme]" = field(default_factory=dict)
    objections: "Callable[[Clock], Objection] | None" = None
    knows: "Callable[[], Knows] | None" = None
    kinds: "Callable[[], tuple[EntryKind, ...]] | None" = None
    codes: "Callable[[], Iterable[str]] | None" = None
    service: "Callable[[Node], S] | None" = None
    routes: "Callable[[S], APIRouter] | None" = None
    public: "Callable[[Node, Later[S]], list[Route]] | None" = None
    announced: "Callable[[Config], Announcement | None] | None" = None
    entrance: "Callable[[Node, Later[S]], Entrance | None] | None" = None
    tokens: "Callable[[Node, Later[S]], TokenFor | None] | None" = None
    pages: "Callable[[], PortalPages] | None" = None
    verbs: "Callable[[typer.Typer], None] | None" = None
    local_verbs: tuple[str, ...] = ()
    client: Callable[[], type] | None = None
    watched: "Callable[[S], Mapping[str, Watched]] | None" = None
    work: Callable[[S], Coroutine[Any, Any, None]] | None = None
    checks: Callable[[Examination], Iterable[HealthCheck]] | None = None
    standing: "Callable[[S, str], Awaitable[Standing]] | None" = None
    patients: "Callable[[Node], PatientOffice] | None" = None
    restored: "TakesBack | None" = None
