"""The verbs of medspace for Python programs. Written by `make docs`."""

from pathlib import Path

from medspace.app.doors.sdk import ConnectorFailedError as ConnectorFailedError
from medspace.app.doors.sdk import NotRunningError as NotRunningError
from medspace.app.doors.sdk import ProcessEndedError as ProcessEndedError
from medspace.app.doors.sdk import SpaceError as SpaceError
from medspace.app.doors.sdk import TokenUnreadableError as TokenUnreadableError
from medspace.app.features.accounts.sdk import AccountsClient
from medspace.app.features.audit.sdk import AuditClient
from medspace.app.features.budget.sdk import BudgetClient
from medspace.app.features.consent.sdk import ConsentClient
from medspace.app.features.credentials.sdk import CredentialsClient
from medspace.app.features.duties.sdk import DutiesClient
from medspace.app.features.export.sdk import ExportClient
from medspace.app.features.issuers.sdk import IssuersClient
from medspace.app.features.labels.sdk import LabelsClient
from medspace.app.features.members.sdk import MembersClient
from medspace.app.features.offers.sdk import OffersClient
from medspace.app.features.optouts.sdk import OptOutsClient
from medspace.app.features.permits.sdk import PermitsClient
from medspace.app.features.rulebook.sdk import RulebookClient
from medspace.app.features.setup.sdk import SetupClient
from medspace.app.features.sites.sdk import SitesClient
from medspace.app.features.sources.sdk import draft_view as draft_view
from medspace.app.features.sources.sdk import fetch_resources as fetch_resources
from medspace.app.features.terms.sdk import TermsClient
from medspace.app.features.tokens.sdk import TokensClient
from medspace.app.features.training.sdk import TrainingClient
from medspace.app.features.training.using.sdk import adapt as adapt
from medspace.app.features.training.using.sdk import check_model as check_model
from medspace.app.features.training.using.sdk import predict as predict
from medspace.app.features.uses.sdk import UsesClient
from medspace.app.features.wallets.sdk import WalletsClient
from medspace.app.node.offering.sdk import draft as draft
from medspace.core.errors import MedspaceError as MedspaceError
from medspace.core.errors import WaitingError as WaitingError

class Space(
    SetupClient,
    MembersClient,
    CredentialsClient,
    OffersClient,
    LabelsClient,
    SitesClient,
    TermsClient,
    RulebookClient,
    UsesClient,
    DutiesClient,
    IssuersClient,
    PermitsClient,
    OptOutsClient,
    WalletsClient,
    TrainingClient,
    BudgetClient,
    AuditClient,
    ConsentClient,
    TokensClient,
    AccountsClient,
    ExportClient,
):
    """The data space as seen through one's own connector."""

def connect(config: str | Path = "medspace.toml", *, language: str = "en") -> Space:
    """The running connector that a configuration file describes."""
