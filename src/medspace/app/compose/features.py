"""The features of this program, one line each. Deleting a feature's folder and its line removes it."""

from importlib import import_module
from typing import Any

from medspace.app.node.feature import Feature

# In the order in which people encounter them, which the command line's help and the doctor follow.
NAMES = (
    "drafting",
    "sources",
    "setup",
    "members",
    "credentials",
    "offers",
    "labels",
    "sites",
    "terms",
    "rulebook",
    "uses",
    "duties",
    "issuers",
    "permits",
    "optouts",
    "wallets",
    "training",
    "budget",
    "audit",
    "consent",
    "tokens",
    "accounts",
    "oidc",
    "reach",
    "upkeep",
    "export",
)

FEATURES: tuple[Feature[Any], ...] = tuple(import_module(f"medspace.app.features.{name}").FEATURE for name in NAMES)

for _kinds in (feature.kinds for feature in FEATURES if feature.kinds is not None):
    from medspace.ledger import kinds

    kinds.learn(_kinds())  # whoever loads the features, an auditor included, can write and read their entries
