"""The verbs of medspace for Python programs; see `medspace.app.compose.sdk`."""

from medspace.app.compose.sdk import Space, connect
from medspace.app.doors.sdk import (
    ConnectorFailedError,
    NotRunningError,
    ProcessEndedError,
    SpaceError,
    TokenUnreadableError,
)
from medspace.app.features.training.using.sdk import adapt, check_model, predict
from medspace.app.node.offering.sdk import draft
from medspace.core.errors import MedspaceError, WaitingError

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
    "predict",
]
