"""The verbs of medspace for Python programs; see `medspace.app.sdk`."""

from medspace.app.sdk import NotRunningError, Space, SpaceError, connect

__all__ = ["NotRunningError", "Space", "SpaceError", "connect"]
