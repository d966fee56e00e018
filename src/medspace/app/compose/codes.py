"""Registers the codes of everything above the connector room: doors, adapters, services and engines.

The codes of sources are not included: their refusals are reported as `rows.refused` or not at all.
"""

from collections.abc import Iterable
from typing import Any

from medspace.adapters.http import errors as calling
from medspace.adapters.http import peers
from medspace.adapters.runner import line
from medspace.adapters.sql import errors as storing
from medspace.app.doors.protocol import parts, public
from medspace.app.node.feature import Feature
from medspace.app.node.listening import limits
from medspace.connector import codes
from medspace.services.membership import errors as membership

MAKERS = (calling, peers, line, storing, parts, public, limits, membership)


def learn() -> None:
    """Allow the log to record them as another member's reason."""
    for maker in MAKERS:
        codes.learn(codes.said_by(maker))


def learn_of(features: Iterable[Feature[Any]]) -> None:
    """As `learn`, for the features' codes, such as those of sites about an unusable step; called with the inside."""
    for feature in features:
        if feature.codes is not None:
            codes.learn(feature.codes())
    codes.own()  # loaded now, in parallel with the start, so that no message waits for it
