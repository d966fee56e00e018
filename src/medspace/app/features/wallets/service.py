"""Wallets at a hospital, and commitments at the authority: what their door and the management API call."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from medspace.app.node.language import CHINESE, ENGLISH, speaker
from medspace.app.node.node import Node
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import purposes
from medspace.services.wallets import asking, commitments, forms, issuing, recovering
from medspace.services.wallets.consents import PatientDesk
from medspace.services.wallets.errors import ConsentFormError, NoWalletsError
from medspace.services.wallets.issuing import CardIssuer
from medspace.services.wallets.model import FORMS, HOLDERS, KEPT, PATIENTS, CardRole, ConsentForm
from medspace.services.wallets.ports import ConsentStore, UsesOfPatients
from medspace.trust.credentials.jose import Ed25519Key
from medspace.trust.did import key_id

T = TypeVar("T")
MOST_FORMS = 100


@dataclass(frozen=True, slots=True)
class Wallets:
    """The wallets of a hospital's patients; `stores` are told of consents, `uses` knows who used the data."""

    node: Node
    stores: tuple[ConsentStore, ...] = ()
    uses: UsesOfPatients | None = None

    @property
    def issuer(self) -> CardIssuer:
        """This connector as the issuer of its patients' cards."""
        node = self.node
        return CardIssuer(node.config.wallets.origin, node.did, self._key, node.sealer, node.randomness)

    @property
    def _key(self) -> Ed25519Key:
        signer = self.node.signing.ed25519
        return Ed25519Key(key_id(self.node.did, signer.public_key), signer)

    async def _unit(self, work: Callable[[Transaction, CardIssuer, datetime], T]) -> T:
        issuer, now = self.issuer, self.node.clock.now()
        return await self.node.database.write(lambda tx: work(tx, issuer, now))

    # --- what wallets ask ------------------------------------------------------------------------------------

    async def redeem(self, code: str, pin: str) -> str:
        """The token for the code of an invitation.

        Raises:
            OfferUnknownError, OfferPinError: it is none, or the number is wrong.
        """
        found = await self._unit(lambda tx, issuer, now: issuing.redeem(tx, issuer, code, pin, now))
        return issuing.insist(found)

    def nonce(self) -> str:
        """A nonce for a proof."""
        return issuing.new_nonce(self.issuer, self.node.clock.now())

    async def card(self, token: str, proof: str, recovery: str) -> str:
        """The card that a token fetches.

        Raises:
            WalletTokenError, WalletProofError: there is none, or the key is not proven.
        """
        return await self._unit(lambda tx, issuer, now: issuing.card_for(tx, issuer, token, proof, now, recovery))

    async def recover(self, recovery: str, proof: str) -> str:
        """The card for a new key, by the printed code.

        Raises:
            WalletProofError, RecoveryError: the keys are not proven, or the code belongs to nobody.
        """
        return await self._unit(lambda tx, issuer, now: recovering.recover(tx, issuer, recovery, proof, now))

    def request(self, said: JsonObject) -> JsonObject:
        """The signed request for what a wallet wants to say.

        Raises:
            WalletMessageError: it is too large or cannot be signed.
        """
        return asking.request_for(self.issuer, said, self.node.clock.now())

    async def hear(self, answer: Mapping[str, str]) -> JsonObject:
        """Do what a patient has signed.

        Raises:
            MedspaceError: it does not hold, or cannot be done; nothing of it is kept.
        """
        desk = PatientDesk(self.issuer, self.stores, self.uses)

        def unit(tx: Transaction, issuer: CardIssuer, now: datetime) -> JsonObject:
            return desk.act(tx, asking.hear(tx, issuer, answer, now), now)

        outcome = await self._unit(unit)
        return outcome | {"uses": [self._named(one) for one in outcome["uses"]]} if "uses" in outcome else outcome

    def _named(self, use: JsonObject) -> JsonObject:
        """A use with the name of the user, and its purpose in words for people."""
        said = purposes.words(use["purpose"])
        words = {short: said.render(speaker(language)) for short, language in (("en", ENGLISH), ("zh", CHINESE))}
        return use | {"name": self.node.names().get(use["user"], ""), "words": words}

    async def status_list(self) -> str:
        """The status list of the cards, signed now."""
        issuer, now = self.issuer, self.node.clock.now()
        return await self.node.database.read(lambda tx: issuing.status_list(tx, issuer, now))

    async def about(self) -> JsonObject:
        """What a wallet has to know of this hospital: its name, the authority, and what it asks patients for."""
        found = await self.forms()
        return {
            "name": self.node.config.participant.name,
            "did": self.node.did,
            "authority": self.node.config.space.authority,
            "forms": [one for one in found if one["offered"]],
        }

    async def commit(self, text: object) -> str:
        """As the authority: what is signed of a commitment.

        Raises:
            WalletMessageError, CommitmentsFullError: it is none, or too many came.
        """
        did, now = self.node.did, self.node.clock.now()
        kept = await self.node.database.write(lambda tx: commitments.commit(tx, did, text, now))
        return commitments.statement(kept, did, self._key)

    # --- what the data office does ---------------------------------------------------------------------------

    async def invite(self, patient: str, *, by: str) -> JsonObject:
        """Invite a patient: a link for the wallet, and a number that is told beside it, both shown once.

        Raises:
            NoWalletsError: this hospital has no wallets (`wallets.url`).
        """
        self._insist()

        def unit(tx: Transaction, issuer: CardIssuer, now: datetime) -> JsonObject:
            made = issuing.offer(tx, issuer, patient, now)
            said = {"role": CardRole.SELF.value} | ({"by": by} if by else {})
            record(tx, Entry("wallet.invited", stamp(now), issuer.did, said))
            return asdict(made) | {"page": f"{issuer.origin}/#{quote(made.link, safe='')}"}

        return await self._unit(unit)

    def _insist(self) -> None:
        if not self.node.config.wallets.url:
            raise NoWalletsError

    async def publish(self, form: ConsentForm, *, by: str) -> JsonObject:
        """Publish a form, as the next version if it says something else than before.

        Raises:
            ConsentFormError: it lacks words or a provision.
        """
        reason = forms.flaw_of(form)
        if reason is not None:
            raise ConsentFormError(reason=reason)

        def unit(tx: Transaction) -> ConsentForm:
            before = tx.get(FORMS, form.id)
            if before is None:
                tx.insert(FORMS, form)
                new = form
            else:
                new = replace(form, version=before.version)
                if new == before:
                    return before
                new = replace(form, version=before.version + 1)
                tx.replace(FORMS, before, new)
            said = {"form": new.id, "version": new.version} | ({"by": by} if by else {})
            record(tx, Entry("wallet.form", stamp(self.node.clock.now()), self.node.did, said))
            return new

        return self._form(await self.node.database.write(unit))

    async def forms(self) -> list[JsonObject]:
        """All forms."""
        found = await self.node.database.read(lambda tx: tx.find(FORMS, limit=MOST_FORMS))
        return [self._form(one) for one in found]

    def _form(self, form: ConsentForm) -> JsonObject:
        return {**forms.told(form), "offered": form.offered}

    async def patients(self) -> list[JsonObject]:
        """Patients with a wallet: how many keys stand for each, and how many consents count."""

        def view(tx: Transaction) -> list[JsonObject]:
            return [
                {
                    "patient": one.id,
                    "keys": sum(not key.retired for key in each(tx, HOLDERS, {"patient": one.id})),
                    "consents": sum(not kept.withdrawn for kept in each(tx, KEPT, {"patient": one.id})),
                }
                for one in each(tx, PATIENTS, {})
            ]

        return await self.node.database.read(view)

    async def retire(self, patient: str, *, by: str) -> JsonObject:
        """Have no key stand for a patient any more: the wallet is lost, and so is its code."""

        def unit(tx: Transaction, issuer: CardIssuer, now: datetime) -> int:
            standing = [one for one in each(tx, HOLDERS, {"patient": patient}) if not one.retired]
            for one in standing:
                issuing.retire(tx, issuer, one, now, by)
            return len(standing)

        return {"patient": patient, "retired": await self._unit(unit)}


def wallets_of(node: Node) -> Wallets:
    """The wallets of a connector, with whatever decides about uses by consents and knows who used the data."""
    return Wallets(node)
