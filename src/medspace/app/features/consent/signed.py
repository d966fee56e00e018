"""What patients sign in wallets, as the port of wallets asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.app.features.consent.service import Consents
from medspace.core.store import Transaction
from medspace.services.consents import signed
from medspace.services.wallets.ports import SignedConsent, SignedWithdrawal, UseOfPatient

MOST_USES = 1000


@dataclass(frozen=True, slots=True)
class SignedConsents:
    """Keeps the consents that were signed in wallets beside those that the data office records."""

    consents: Consents

    def accept(self, tx: Transaction, consent: SignedConsent) -> None:
        """Have a consent count, from the next edition of each dataset on."""
        signed.accept(tx, self.consents.office(""), consent)

    def withdraw(self, tx: Transaction, withdrawal: SignedWithdrawal) -> None:
        """Have it count no longer."""
        signed.withdraw(tx, self.consents.office(""), withdrawal)

    def salt(self, tx: Transaction, patient: str, fresh: str) -> str:
        """The salt under which uses commit to a patient."""
        return signed.salt_of(tx, patient, fresh)

    def uses(self, tx: Transaction, patient: str) -> Sequence[UseOfPatient]:
        """Who used her data, the newest first."""
        return signed.uses(tx, patient, MOST_USES)

    async def settled(self) -> None:
        """End the uses that may not go on."""
        await self.consents.cut()
