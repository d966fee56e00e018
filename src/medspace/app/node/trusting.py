"""The trust list of a connector's space, for every feature that asks who is believed."""

from medspace.app.node.node import Node
from medspace.services.issuers.following import TrustFollower
from medspace.trust.jws import decode


def follower(node: Node) -> TrustFollower:
    """Where this connector keeps the authority's trust list, and how it fetches it."""
    space = node.config.space
    key = node.signing.public_key if node.authority is not None else decode(space.authority_key)
    return TrustFollower(space.authority, key, node.database, node.transport, node.clock)
