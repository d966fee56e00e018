"""The types of the SDK for those who write programs with it: `Space` has the methods of all features."""

from medspace.app.compose.features import FEATURES

_PAGE = '''"""The verbs of medspace for Python programs. Written by `make docs`."""

from pathlib import Path

from medspace.app.doors.sdk import ConnectorFailedError as ConnectorFailedError
from medspace.app.doors.sdk import NotRunningError as NotRunningError
from medspace.app.doors.sdk import ProcessEndedError as ProcessEndedError
from medspace.app.doors.sdk import SpaceError as SpaceError
from medspace.app.doors.sdk import TokenUnreadableError as TokenUnreadableError
{imports}
from medspace.app.node.offering.sdk import draft as draft
from medspace.core.errors import MedspaceError as MedspaceError
from medspace.core.errors import WaitingError as WaitingError

class Space(
{bases}
):
    """The data space as seen through one's own connector."""

def connect(config: str | Path = "medspace.toml", *, language: str = "en") -> Space:
    """The running connector that a configuration file describes."""
'''

# What asks no connector, by where it is.
_PLAIN = {
    "from medspace.app.features.sources.sdk import {name} as {name}": ("draft_view", "fetch_resources"),
    "from medspace.app.features.training.using.sdk import {name} as {name}": ("adapt", "check_model", "predict"),
}


def sdk() -> str:
    """The stub of `medspace.sdk`."""
    clients = [feature.client() for feature in FEATURES if feature.client is not None]
    features = [f"from {client.__module__} import {client.__name__}" for client in clients]
    plain = [line.format(name=name) for line, names in _PLAIN.items() for name in names]
    imports = sorted([*features, *plain])
    bases = "\n".join(f"    {client.__name__}," for client in clients)
    return _PAGE.format(imports="\n".join(imports), bases=bases)
