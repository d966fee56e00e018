"""The verbs of medspace for Python programs; see `medspace.app.sdk`."""

from medspace.app.sdk import (
    ConnectorFailedError,
    NotRunningError,
    ProcessEndedError,
    Space,
    SpaceError,
    TokenUnreadableError,
    connect,
)
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
    "connect",
]
