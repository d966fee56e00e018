"""The SDK: one's own connector, with the methods of all features."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medspace.app.compose.features import FEATURES
from medspace.app.doors import sdk

if TYPE_CHECKING:  # each feature brings its own methods, so there is no list of them here
    _Methods: Any = sdk.Client
else:
    _Methods = type("_Methods", tuple(one.client() for one in FEATURES if one.client is not None), {})


class Space(_Methods):  # type: ignore[misc]
    """The data space as seen through one's own connector."""


def connect(config: str | Path = "medspace.toml", *, language: str = "en", owner: bool = False) -> Space:
    """The running connector that a configuration file describes.

    Raises:
        ConfigError: the file cannot be used.
        TokenUnreadableError: the file of the private token cannot be read.
        NotRunningError: on first use, if the connector is not running.
    """
    return sdk.connect(Space, config, language=language, owner=owner)
