"""How far the set-up of a running connector is, for whoever asks."""

from dataclasses import dataclass

from medspace.app.features.setup.steps import SetupFacts, SetupStep, steps_of
from medspace.app.node.node import Node
from medspace.core.actors import Actor
from medspace.services.accounts.model import PASSKEYS


@dataclass(frozen=True, slots=True)
class SetupProgress:
    """The steps of one connector."""

    node: Node

    async def steps(self, by: Actor) -> tuple[SetupStep, ...]:
        """The steps, with the passkey of whoever asks."""
        node = self.node
        passkey = None
        if "accounts" in node.features:
            passkey = await node.database.read(lambda tx: tx.count(PASSKEYS, {"account": by.id}, 1) > 0)
        member = any(member.did == node.did for member in node.members())
        return tuple(steps_of(SetupFacts(node.config, member, passkey, len(list(node.assets.shown())))))

    @property
    def file(self) -> str:
        """Where the configuration is."""
        return str(self.node.config.path(self.node.config.file))
