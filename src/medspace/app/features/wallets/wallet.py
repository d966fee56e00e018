"""A patient's wallet for Python programs and the command line: a sealed file, and calls to hospitals.

    with Wallet.open(Path("wallet"), b"passphrase") as wallet:
        wallet.receive(link, pin)
        wallet.consent(origin, "hearts")
        wallet.withdraw(consent)

The file is sealed under a passphrase (`adapters.sealedfile`) and written anew, whole, after each change. Nothing of
it is in the clear anywhere else. A withdrawal is kept with its salt before it is sent, so that what was sent can
always be proved; its commitment is sent to the authority now, or with the next call that reaches it.
"""

import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from medspace.adapters.ownership import write_private_bytes
from medspace.adapters.sealedfile import COST, SealedWriter, opened
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.core.canonical import JsonObject, canonical
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.decoding import read_json
from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import Text, msgid
from medspace.services.wallets import holder
from medspace.services.wallets.consents import ACKNOWLEDGED, consent_id
from medspace.services.wallets.forms import consent_of
from medspace.services.wallets.issuing import CARD, CREDENTIAL, GRANT, NONCE, TOKEN
from medspace.services.wallets.model import IDENTITY, RECEIPT, ConsentForm
from medspace.trust.credentials import jose
from medspace.trust.credentials.jose import EcKey
from medspace.trust.did import base_url
from medspace.trust.errors import DidError
from medspace.trust.jws import JwsError
from medspace.trust.sdjwt.model import Held, IssuerKeys
from medspace.trust.sdjwt.vc import verify_issued

LARGEST_FILE = 16 << 20
LARGEST_ANSWER = 1 << 20
TIMEOUT = 20.0  # seconds
SALT_BYTES = 32
FAILED = 400


class WalletFileError(InvalidInputError):
    """A wallet that cannot be opened or made."""

    code = "wallet.file"
    sentence = msgid("The wallet {file} cannot be used: {reason}.")
    next_step = msgid("Name the file of your wallet with --wallet, or make one with `medspace wallet new`.")


class HospitalAwayError(WaitingError):
    """A hospital or authority that does not answer as it should."""

    code = "wallet.unreachable"
    sentence = msgid("{origin} does not answer as it should: {reason}.")
    next_step = msgid("Try again later; what you have signed is kept in the wallet.")


class NoCardError(InvalidInputError):
    """There is no such card or consent in the wallet."""

    code = "wallet.card"
    sentence = msgid("The wallet has nothing for {what}.")
    next_step = msgid("See what it has with `medspace wallet cards`.")


class NoHospitalError(InvalidInputError):
    """The wallet has no card of any hospital."""

    code = "wallet.no_hospital"
    sentence = msgid("The wallet has no card of a hospital yet.")
    next_step = msgid("Fetch one by the hospital's invitation: `medspace wallet receive LINK NUMBER`.")


class SeveralHospitalsError(InvalidInputError):
    """The wallet has cards of several hospitals, and none was named."""

    code = "wallet.several_hospitals"
    sentence = msgid("The wallet has cards of several hospitals.")
    next_step = msgid("Name one with --at, as `medspace wallet cards` shows it.")


class HospitalRefusedError(RefusedError):
    """What a hospital refused, in its own words."""

    code = "wallet.refused"
    sentence = msgid("{sentence}")
    next_step = msgid("{next_step}")

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(sentence=str(said.get("sentence", ""))[:500], next_step=str(said.get("next_step", ""))[:500])
        self.code = str(said.get("code", "wallet.refused"))[:64]  # type: ignore[misc]  # the hospital's own code


class KeptWithdrawal(msgspec.Struct, kw_only=True):
    """A withdrawal: what was signed, the salt of its commitment, and what the two others have signed of it."""

    said: JsonObject
    salt: str
    commitment: str
    acknowledgement: str = ""
    statement: str = ""


class KeptGiven(msgspec.Struct, kw_only=True):
    """A consent that was given: its form as it was read, its receipt, and its withdrawal, if there is one."""

    id: str
    form: JsonObject
    time: str
    number: int
    receipt: str = ""
    withdrawal: KeptWithdrawal | None = None


class HospitalPlace(msgspec.Struct, kw_only=True):
    """What the wallet has for one hospital: a key of its own, a card, and what was consented to."""

    origin: str
    name: str
    did: str
    authority: str
    keys: JsonObject
    key: str
    card: str
    number: int = 0
    consents: list[KeptGiven] = []


class WalletContent(msgspec.Struct, kw_only=True):
    """The whole content of a file."""

    seed: str
    version: int = 1
    places: list[HospitalPlace] = []


class Wallet:
    """A wallet that is open; see `Wallet.new` and `Wallet.open`."""

    def __init__(
        self,
        file: Path,
        passphrase: bytes,
        content: WalletContent,
        *,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        cost: int = COST,
        language: str = "en",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.file, self.content = file, content
        self._passphrase, self._cost = passphrase, cost
        self._clock, self._randomness = clock or SystemClock(), randomness or SystemRandomness()
        headers = {"Accept-Language": language}
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT, trust_env=False, transport=transport)

    @classmethod
    def new(cls, file: Path, passphrase: bytes, *, code: str = "", **parts: Any) -> Self:  # noqa: ANN401 - of __init__
        """A new wallet in a new file; `code` is the printed code of a lost one.

        Raises:
            WalletFileError: there is such a file, or it cannot be written.
            WalletCodeError: that is no printed code.
        """
        if file.exists():
            raise WalletFileError(file=str(file), reason=Text(msgid("there is such a file already")))
        randomness = parts.get("randomness") or SystemRandomness()
        seed = holder.read_code(code) if code else randomness.token_bytes(holder.SEED_BYTES)
        made = cls(file, passphrase, WalletContent(seed=seed.hex()), **parts)
        made.save()
        return made

    @classmethod
    def open(cls, file: Path, passphrase: bytes, **parts: Any) -> Self:  # noqa: ANN401 - of __init__
        """The wallet in a file.

        Raises:
            WalletFileError: there is none, or it is no wallet.
            SealedFileError: the passphrase is wrong, or the file was changed.
        """
        try:
            if file.stat().st_size > LARGEST_FILE:
                raise WalletFileError(file=str(file), reason=Text(msgid("it is too large")))
            with file.open("rb") as sealed:
                raw = b"".join(opened(sealed, passphrase, str(file)))
            return cls(file, passphrase, msgspec.json.decode(raw, type=WalletContent), **parts)
        except OSError:
            raise WalletFileError(file=str(file), reason=Text(msgid("there is no such file"))) from None
        except msgspec.MsgspecError:
            raise WalletFileError(file=str(file), reason=Text(msgid("it is no wallet of this version"))) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def save(self) -> None:
        """Write the file anew.

        Raises:
            WalletFileError: it cannot be written.
        """
        sealed = io.BytesIO()
        writer = SealedWriter(sealed, self._passphrase, self._randomness, self._cost)
        writer.write(msgspec.json.encode(self.content))
        writer.finish()
        try:
            write_private_bytes(self.file, sealed.getvalue())
        except OSError as error:
            reason = Text(msgid("it cannot be written"))
            raise WalletFileError(file=str(self.file), reason=reason) from error

    @property
    def code(self) -> str:
        """The code to print: whoever has it can put a new wallet in the place of this one."""
        return holder.printed(bytes.fromhex(self.content.seed))

    # --- cards -----------------------------------------------------------------------------------------------

    def receive(self, link: str, pin: str) -> HospitalPlace:
        """Fetch the card that a hospital invites to.

        Raises:
            OfferLinkError: it is no invitation. HospitalRefusedError, HospitalAwayError: the hospital says no.
        """
        offer = holder.read_offer(link)
        form = {"grant_type": GRANT, "pre-authorized_code": offer.code, "tx_code": pin}
        token = str(self._post(offer.origin + TOKEN, form=form).get("access_token", ""))
        key = holder.key_of(pem := holder.new_key(self._randomness))
        recovery = self._recovery(offer.origin).public.thumbprint
        wish = {
            "credential_configuration_id": CARD,
            "proofs": {"jwt": [self._proof(offer.origin, key)]},
            "recovery": recovery,
        }
        found = self._post(offer.origin + CREDENTIAL, wish, token=token)
        return self._take(offer.origin, pem, found)

    def recover(self, url: str) -> HospitalPlace:
        """By the code of the lost wallet, have a new key take the place of the old one at a hospital.

        Raises:
            HospitalRefusedError, HospitalAwayError: the hospital says no.
        """
        origin = holder.origin_of(url)
        key = holder.key_of(pem := holder.new_key(self._randomness))
        proof = self._proof(origin, self._recovery(origin), binds=key.public.thumbprint)
        found = self._post(f"{origin}/wallet/recover", {"recovery": proof, "proof": self._proof(origin, key)})
        place = self._take(origin, pem, found)
        self.refresh(place)
        return place

    def _recovery(self, origin: str) -> EcKey:
        return holder.recovery_key(bytes.fromhex(self.content.seed), origin)

    def _proof(self, origin: str, key: EcKey, **more: str) -> str:
        nonce = str(self._post(origin + NONCE, {}).get("c_nonce", ""))
        return holder.proof_of(key, origin, nonce, self._now(), **more)

    def _take(self, origin: str, pem: str, found: JsonObject) -> HospitalPlace:
        cards = found.get("credentials")
        text = cards[0].get("credential") if isinstance(cards, list) and cards and isinstance(cards[0], dict) else ""
        metadata = self._get(f"{origin}/.well-known/jwt-vc-issuer")
        held = verify_issued(str(text), holder.issuer_keys(origin, metadata), self._now())
        if held.vct != IDENTITY or held.holder_key != holder.key_of(pem).public:
            raise HospitalAwayError(origin=origin, reason=Text(msgid("it sent another card")))
        about = self._get(f"{origin}/wallet/about")
        made = HospitalPlace(
            origin=origin,
            name=str(about.get("name", ""))[:200],
            did=str(about.get("did", "")),
            authority=str(about.get("authority", "")),
            keys=metadata,
            key=pem,
            card=str(text),
        )
        self.content.places = [*(one for one in self.content.places if one.origin != origin), made]
        self.save()
        return made

    def place(self, hospital: str = "") -> HospitalPlace:
        """What the wallet has for a hospital, by its name or address; the only one where none is named.

        Raises:
            NoHospitalError: it has none at all.
            NoCardError: it has none of that hospital.
            SeveralHospitalsError: it has several, and none is named, or several of that name.
        """
        found = [one for one in self.content.places if hospital in ("", one.name, one.origin)]
        if not self.content.places:
            raise NoHospitalError
        if not found:
            raise NoCardError(what=hospital)
        if len(found) > 1:
            raise SeveralHospitalsError
        return found[0]

    def held(self, place: HospitalPlace) -> Held:
        """The card for a hospital, checked again.

        Raises:
            SdJwtError: it does not hold any more.
        """
        return verify_issued(place.card, self._keys(place), self._now())

    def _keys(self, place: HospitalPlace) -> IssuerKeys:
        return holder.issuer_keys(place.origin, place.keys)

    # --- consents --------------------------------------------------------------------------------------------

    def forms(self, place: HospitalPlace) -> list[JsonObject]:
        """What a hospital asks its patients for, as it says now.

        Raises:
            HospitalAwayError: it does not answer.
        """
        found = self._get(f"{place.origin}/wallet/about").get("forms")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def consent(self, place: HospitalPlace, form: str) -> KeptGiven:
        """Consent to a form, and keep the receipt.

        Raises:
            NoCardError: the hospital does not ask for that.
            HospitalRefusedError, HospitalAwayError: the hospital says no.
        """
        asked = next((one for one in self.forms(place) if one.get("id") == form), None)
        if asked is None:
            raise NoCardError(what=form)
        read = _form(asked)
        pseudonym, number = str(self.held(place).disclosed.claims["patient"]), self._next(place)
        given = consent_of(read, place.origin, pseudonym, stamp(self._now()))
        outcome = self.say(place, {"act": "consent", "number": number, "form": form, "consent": given})
        receipt = str(outcome.get("receipt", ""))
        card = verify_issued(receipt, self._keys(place), self._now())
        kept = KeptGiven(id=consent_id(pseudonym, number), form=asked, time=given["dateTime"], number=number)
        if card.vct != RECEIPT or card.disclosed.claims.get("consent") != kept.id:
            raise HospitalAwayError(origin=place.origin, reason=Text(msgid("its receipt is for something else")))
        kept.receipt = receipt
        place.consents.append(kept)
        self.save()
        return kept

    def withdraw(self, consent: str) -> KeptGiven:
        """Withdraw a consent, at the hospital and by a commitment at the authority; again, where one was away.

        Raises:
            NoCardError: the wallet has no such consent. HospitalRefusedError, HospitalAwayError: as it says.
        """
        place, kept = self._given(consent)
        if kept.withdrawal is None:
            salt = self._randomness.token_bytes(SALT_BYTES)
            said = {"act": "withdraw", "consent": kept.id, "time": stamp(self._now())}
            committed = holder.commitment_of(said, salt)
            kept.withdrawal = KeptWithdrawal(said=said, salt=salt.hex(), commitment=committed)
            self.save()  # before anything is sent: what was sent can always be proved
        self._commit(place, kept.withdrawal)
        self._tell(place, kept.withdrawal)
        return kept

    def _given(self, consent: str) -> tuple[HospitalPlace, KeptGiven]:
        for place in self.content.places:
            for kept in place.consents:
                if consent in (kept.id, kept.form.get("id")) and (consent == kept.id or kept.withdrawal is None):
                    return place, kept
        raise NoCardError(what=consent[:80])

    def _tell(self, place: HospitalPlace, withdrawal: KeptWithdrawal) -> None:
        if withdrawal.acknowledgement:
            return
        # The number is the next one when it is sent: another device may have used some meanwhile.
        more = {"number": self._next(place), "commitment": withdrawal.commitment}
        outcome = self.say(place, withdrawal.said | more)
        text = str(outcome.get("acknowledgement", ""))
        keys = self._keys(place)
        try:
            signed = jose.split(text, LARGEST_ANSWER)
        except JwsError:
            signed = None
        said = {} if signed is None or signed.typ != ACKNOWLEDGED else signed.payload
        if signed is None or not any(signed.holds(key) for _, key in keys.keys):
            said = {}
        if said.get("commitment") != withdrawal.commitment or said.get("consent") != withdrawal.said["consent"]:
            raise HospitalAwayError(origin=place.origin, reason=Text(msgid("it did not sign that it was told")))
        withdrawal.acknowledgement = text
        self.save()

    def _commit(self, place: HospitalPlace, withdrawal: KeptWithdrawal) -> bool:
        """Commit to a withdrawal at the authority; whether that is done. An authority that is away is asked later."""
        if not withdrawal.statement:
            try:
                url = f"{base_url(place.authority)}/wallet/commitments"
                found = self._post(url, {"commitment": withdrawal.commitment})
                withdrawal.statement = str(found.get("statement", ""))
                self.save()
            except (WaitingError, DidError, RefusedError):
                return False
        return bool(withdrawal.statement)

    def catch_up(self) -> int:
        """Send what could not be sent before; how many withdrawals wait still, at a hospital or at the authority."""
        waiting = 0
        for place in self.content.places:
            for kept in place.consents:
                if kept.withdrawal is not None and not self._caught_up(place, kept.withdrawal):
                    waiting += 1
        return waiting

    def _caught_up(self, place: HospitalPlace, withdrawal: KeptWithdrawal) -> bool:
        done = self._commit(place, withdrawal)
        try:
            self._tell(place, withdrawal)
        except (WaitingError, RefusedError):
            return False
        return done

    # --- the rest --------------------------------------------------------------------------------------------

    def refresh(self, place: HospitalPlace) -> JsonObject:
        """How things stand at a hospital: the last number, the consents, and the keys that stand for the patient."""
        state = self.say(place, {"act": "state"})
        last = state.get("last")
        if isinstance(last, int) and last > place.number:
            place.number = last
            self.save()
        return state

    def uses(self, place: HospitalPlace) -> list[JsonObject]:
        """Who used the data, as the hospital says.

        Raises:
            HospitalRefusedError: it cannot say.
        """
        found = self.say(place, {"act": "uses"}).get("uses")
        return list(found) if isinstance(found, list) else []

    def invite(self, place: HospitalPlace, *, role: str = "self", until: str = "") -> JsonObject:
        """An invitation for another device of one's own, or for a guardian until a time."""
        number = self._next(place)
        return self.say(place, {"act": "invite", "number": number, "role": role, "until": until})

    def retire(self, place: HospitalPlace, key: str) -> JsonObject:
        """Have the key of a lost device stand for nobody any more."""
        return self.say(place, {"act": "retire", "number": self._next(place), "key": key})

    def say(self, place: HospitalPlace, said: JsonObject) -> JsonObject:
        """Sign a message for a hospital, and get its answer.

        Raises:
            HospitalRequestError: the hospital wants something else signed; nothing was.
            HospitalRefusedError, HospitalAwayError: the hospital says no.
        """
        asked = self._post(f"{place.origin}/oid4vp/requests", said)
        verifier = f"decentralized_identifier:{place.did}"
        held, key, keys = self.held(place), holder.key_of(place.key), self._keys(place)
        signed = holder.answer(held, key, keys, verifier, str(asked.get("request", "")), said, self._now())
        form = {"vp_token": signed.vp_token, "state": signed.state}
        outcome = self._post(f"{place.origin}/oid4vp/responses", form=form).get("outcome")
        return outcome if isinstance(outcome, dict) else {}

    def _next(self, place: HospitalPlace) -> int:
        """The next number at a hospital; another device may have used some."""
        self.refresh(place)
        place.number += 1
        self.save()
        return place.number

    def _now(self) -> datetime:
        return self._clock.now()

    # --- calls -----------------------------------------------------------------------------------------------

    def _get(self, url: str) -> JsonObject:
        return self._answer("GET", url)

    def _post(
        self, url: str, body: JsonObject | None = None, *, form: dict[str, str] | None = None, token: str = ""
    ) -> JsonObject:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if form is not None:
            return self._answer("POST", url, headers=headers, data=form)
        headers["Content-Type"] = "application/json"
        return self._answer("POST", url, headers=headers, content=canonical(body))

    def _answer(self, verb: str, url: str, **more: Any) -> JsonObject:  # noqa: ANN401 - of httpx
        origin = holder.origin_of(url)
        try:
            with self._http.stream(verb, url, **more) as response:
                content = b""
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > LARGEST_ANSWER:
                        raise HospitalAwayError(origin=origin, reason=Text(msgid("its answer is too large")))
                said = read_json(content, JsonObject)
                status = response.status_code
        except (httpx.HTTPError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise HospitalAwayError(origin=origin, reason=Text(msgid("it cannot be reached"))) from error
        if status >= FAILED:
            raise HospitalRefusedError(said)
        return said


def _form(asked: JsonObject) -> ConsentForm:
    try:
        words = msgspec.convert(asked.get("words"), dict[str, dict[str, str]])
        return ConsentForm(
            str(asked["id"]), int(asked["version"]), str(asked["purpose"]), words, dict(asked["provision"])
        )
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise NoCardError(what=str(asked.get("id"))[:80]) from error
