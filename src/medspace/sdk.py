"""The verbs of medspace for Python programs; see `medspace.app.compose.sdk`."""

from importlib.util import find_spec

from medspace.app.compose.sdk import Space, connect
from medspace.app.doors.sdk import (
    ConnectorFailedError,
    NotRunningError,
    ProcessEndedError,
    SpaceError,
    TokenUnreadableError,
)
from medspace.app.node.offering.sdk import draft
from medspace.core.errors import MedspaceError, WaitingError

if find_spec("medspace.app.features.sources"):
    from medspace.app.features.sources.sdk import draft_view, fetch_resources

if find_spec("medspace.app.features.training"):  # verbs that need no connector go with their feature
    from medspace.app.features.training.using.sdk import adapt, check_model, predict

__all__ = [
    "ConnectorFailedError",
    "MedspaceError",
    "NotRunningError",
    "ProcessEndedError",
    "Space",
    "SpaceError",
    "TokenUnreadableError",
    "WaitingError",
    "adapt",
    "check_model",
    "connect",
    "draft",
    "draft_view",
    "fetch_resources",
    "predict",
]
