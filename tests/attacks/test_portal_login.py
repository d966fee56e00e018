"""The way through the hospital's login: answers that were seen before, made up, meant for others, or say too much."""

import hmac
import json
import re
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OctKey

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.oidc import idtokens
from medspace.adapters.oidc.provider import OidcClient, OidcProvider
from medspace.app.doors.portal.app import portal_app
from medspace.app.doors.portal.oidc import FLOW
from medspace.app.doors.portal.sharing import LooksTogether, SharedBlocks
from medspace.app.doors.portal.shell import PortalShell
from medspace.app.features.oidc.service import LoginDesk
from medspace.app.node.attempts import Attempts
from medspace.core.actors import ActorKind
from medspace.services.accounts import flows, logins
from medspace.services.accounts.errors import LinkRefusedError, LoginRefusedError, PasskeyRefusedError
from medspace.services.accounts.logins import Logins
from medspace.services.accounts.model import ACCOUNTS, SESSIONS, AccountRole
from tests.attacks.portal_guests import OWN, Guest, Place
from tests.oidc import CLIENT, SECRET, Provider, provided
from tests.passkeys import ORIGIN

GRANTS = {"stewards": (AccountRole.STEWARD,), "audit": (AccountRole.AUDITOR,)}
CALLBACK = "/portal/oidc/callback"
HS256 = b'{"alg":"HS256","kid":"k1"}'
NONE = b'{"alg":"none"}'
SENT = re.compile(r'href="(http://127[^"]+)"')


class LoginPlace(Place):
    """A portal with a login beside it."""

    def __init__(self, folder, provider, http):
        super().__init__(folder)
        clock = self.clinic.clock
        client = OidcClient(provider.issuer, CLIENT, ("openid",), "groups", ORIGIN + CALLBACK, lambda: SECRET)
        self.provider, self.http = provider, http
        self.logins = Logins(self.clinic.accounts, OidcProvider(client, http, clock), "groups", GRANTS, "login")
        shell = PortalShell(
            self.desk,
            clock,
            self.api,
            self.renderer,
            {"deeds": self.deeds.pages},
            "clinic",
            LooksTogether(self.clinic.accounts.look_together),
            SharedBlocks(clock),
            LoginDesk(self.logins, Attempts(clock), "Hospital"),
        )
        self.app = portal_app(shell, self.shelf)

    async def sent(self, guest, back="", path="/portal/oidc/begin", **form):
        """Where a browser is sent that begins here."""
        page = await guest.post(path, {"next": back, **form})
        return SENT.search(page.text)[1].replace("&amp;", "&")

    async def signed_in(self, guest, **said):
        """Somebody comes in by the login, or not."""
        brought = self.provider.visited(await self.sent(guest))
        return await guest.get(CALLBACK, params=brought | said)

    async def comes_in(self, guest):
        return (await guest.get("/portal/deeds")).status_code == 200


@pytest.fixture
async def place(tmp_path):
    http = HttpClient(Guard.of((), loopback=True))
    provider = Provider()
    with provided(provider):
        place = LoginPlace(tmp_path, provider, http)
        provider.now = place.clinic.clock.now
        yield place
        await http.close()


async def test_whoever_the_login_knows_comes_in_with_the_roles_of_their_groups(place):
    guest = place.guest()
    answer = await place.signed_in(guest)
    assert answer.status_code == 200
    assert await place.comes_in(guest)
    (opened,) = await place.sessions()
    assert opened["how"] == "oidc"
    (made,) = [one.facts for one in await place.clinic.entries("account.made")]
    assert (made["roles"], made["by"]) == (["steward"], made["account"])
    flags = {one.strip().lower() for one in answer.headers.get_list("set-cookie")[-1].split(";")[1:]}
    assert flags == {"httponly", "secure", "samesite=strict", "path=/"}
    assert guest.cookies[FLOW] == ""


async def test_an_answer_counts_once(place, attack_report):
    guest, thief = place.guest(), place.guest()
    brought = place.provider.visited(await place.sent(guest))
    thief.cookies = dict(guest.cookies)
    first = await guest.get(CALLBACK, params=brought)
    asked = place.provider.asked.count("token")
    again = [await thief.get(CALLBACK, params=brought) for _ in range(3)]
    fresh = place.provider.visited(await place.sent(place.guest())) | {"state": brought["state"]}
    thief_again = await thief.get(CALLBACK, params=fresh)  # another code, the state that was used
    assert [one.status_code for one in (*again, thief_again)] == [403] * 4
    assert place.provider.asked.count("token") == asked, "the login is not asked for what was used"
    assert len(await place.sessions()) == (first.status_code == 200) == 1
    attack_report("login: answer brought again four times", got=0, control=1, of=4, unit="sessions")


@pytest.mark.parametrize("brake", [True, False], ids=["on", "off"])
async def test_nobody_is_signed_in_as_somebody_else_by_following_a_link(place, brake, attack_report, monkeypatch):
    """Login CSRF: Eve's answer in the browser of somebody who began nothing, or something else (RFC 6749 10.12)."""
    eve, began, idle = place.guest(), place.guest(), place.guest()
    brought = place.provider.visited(await place.sent(eve))
    await place.sent(began)
    if not brake:  # the control: as if any browser could finish what Eve began
        monkeypatch.setattr(
            flows, "read_flow", lambda text, key, kept=eve.cookies[FLOW], real=flows.read_flow: real(kept, key)
        )
    came = [victim for victim in (began, idle) if (await victim.get(CALLBACK, params=brought)).status_code == 200]
    attack_report(
        "login: signed in as Eve by her link", of=2, unit="browsers", **{"got" if brake else "control": len(came)}
    )
    assert len(came) == (0 if brake else 1), "off, the state counts once all the same"


def _claims(**changed):
    return lambda place, claims: place.provider.signed({**claims, **changed})


def _none(place, claims):
    _, payload, _ = place.provider.signed(claims).split(".")
    return f"{b64(NONE)}.{payload}."


def _confused(place, claims):
    """Signed with HS256 and the public key as the secret (RFC 8725 2.1)."""
    payload = place.provider.signed(claims).split(".")[1]
    told = f"{b64(HS256)}.{payload}"
    return f"{told}.{b64(hmac.digest(place.provider.key.as_pem(private=False), told.encode(), 'sha256'))}"


def _client_secret(place, claims):
    return place.provider.signed(claims, OctKey.import_key(SECRET.encode()), alg="HS256")


def _brought_key(place, claims):
    own = ECKey.generate_key("P-256")
    return place.provider.signed(claims, own, jwk=own.as_dict(private=False))


def _critical(place, claims):
    """What must be understood and is not (RFC 7515 4.1.11), signed by hand: no library writes it."""
    head = json.dumps({"alg": "ES256", "kid": "k1", "crit": ["https://x"], "https://x": 1}).encode()
    told = f"{b64(head)}.{place.provider.signed(claims).split('.')[1]}"
    signed = place.provider.key.get_op_key("sign").sign(told.encode(), ECDSA(SHA256()))
    return f"{told}.{b64(b''.join(one.to_bytes(32, 'big') for one in decode_dss_signature(signed)))}"


def _other_key(place, claims):
    return place.provider.signed(claims, ECKey.generate_key("P-256"))


def _unknown_key(place, claims):
    return place.provider.signed(claims, ECKey.generate_key("P-256"), kid="made-up")


def _changed(place, claims):
    head, _, proof = place.provider.signed(claims).split(".")
    other = place.provider.signed({**claims, "groups": ["audit"]}).split(".")[1]
    return f"{head}.{other}.{proof}"


def b64(content):
    return urlsafe_b64encode(content).rstrip(b"=").decode()


FORGED = {
    "of another client": _claims(aud="another"),
    "of many clients, none the asker": _claims(aud=[CLIENT, "another"]),
    "asked for by another client": _claims(aud=CLIENT, azp="another"),
    "of another login": _claims(iss="https://login.example"),
    "of no login": _claims(iss=None),
    "with another nonce": _claims(nonce="0" * 64),
    "with no nonce": _claims(nonce=None),
    "that ended": _claims(exp=1),
    "without an end": _claims(exp=None),
    "that ends never": _claims(exp=1e300),
    "made long ago": _claims(iat=1),
    "made tomorrow": _claims(iat=4_000_000_000, exp=4_000_000_300),
    "that begins tomorrow": _claims(nbf=4_000_000_000),
    "without a subject": _claims(sub=""),
    "with a subject that is no text": _claims(sub=["4711"]),
    "signed by nobody": _none,
    "signed with the public key as a secret": _confused,
    "signed with the client's secret": _client_secret,
    "with a key of its own": _brought_key,
    "that wants what nobody knows": _critical,
    "by another key of that name": _other_key,
    "by a key that nobody knows": _unknown_key,
    "changed after it was signed": _changed,
    "that is none": lambda place, claims: "x.y",
    "that is binary": lambda place, claims: "\u0000.\u0000.\u0000",
    "without a text": lambda place, claims: 4711,
    "with a list": lambda place, claims: place.provider.signed([]),
}


async def test_a_forged_id_token_opens_nothing(place, attack_report):
    taken = []
    for name, forged in FORGED.items():
        place.clinic.clock.advance(60)  # the brake on wrong attempts is another test
        guest = place.guest()
        place.provider.token = lambda claims, forged=forged: forged(place, claims)
        answer = await place.signed_in(guest)
        assert answer.status_code in (403, 503), name
        taken += [name] if await place.comes_in(guest) else []
    assert await place.clinic.entries("account.made", "session.opened") == []
    place.provider.token = place.provider.signed
    control = (await place.signed_in(place.guest())).status_code == 200
    attack_report("login: forged ID tokens taken", got=len(taken), control=control, of=len(FORGED), unit="tokens")
    assert (taken, control) == ([], True)


async def test_a_short_key_counts_for_nothing_whoever_shows_it(place):
    for bits, status in ((1024, 403), (2048, 200)):
        key = rsa.generate_private_key(65537, bits)
        numbers = key.public_key().public_numbers()
        shown = {"kty": "RSA", "kid": f"r{bits}", "n": b64(numbers.n.to_bytes(bits // 8, "big")), "e": "AQAB"}
        place.provider.keys = [shown]
        place.clinic.clock.advance(120)
        place.provider.token = lambda claims, key=key, bits=bits: _rsa(key, bits, claims)
        assert (await place.signed_in(place.guest())).status_code == status


def _rsa(key, bits, claims):
    told = f"{b64(json.dumps({'alg': 'RS256', 'kid': f'r{bits}'}).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{told}.{b64(key.sign(told.encode(), PKCS1v15(), SHA256()))}"


async def test_a_new_key_is_looked_for_but_not_for_everybody_who_makes_one_up(place, attack_report):
    assert (await place.signed_in(place.guest())).status_code == 200
    new = ECKey.generate_key("P-256", {"kid": "k2"})
    place.provider.keys = [*place.provider.keys, new.as_dict(private=False)]
    place.provider.token = lambda claims: place.provider.signed(claims, new, kid="k2")
    place.clinic.clock.advance(61)
    assert (await place.signed_in(place.guest())).status_code == 200, "the provider changed its key"
    before = place.provider.asked.count("keys")
    place.provider.token = lambda claims: _unknown_key(place, claims)
    for _ in range(5):
        assert (await place.signed_in(place.guest())).status_code == 403
    got = place.provider.asked.count("keys") - before
    attack_report("login: looks for keys that were made up", got=got, control=5, of=5, unit="looks")
    assert got == 0


async def test_an_answer_of_another_login_is_refused(place):
    """Mix-up (RFC 9207): the answer says which login it is of, and must where the login says that it does."""
    for said in ({"iss": "https://login.example"}, {"iss": ""}):
        assert (await place.signed_in(place.guest(), **said)).status_code == 403
    guest = place.guest()
    brought = place.provider.visited(await place.sent(guest))
    del brought["iss"]
    assert (await guest.get(CALLBACK, params=brought)).status_code == 403
    brought = [*place.provider.visited(await place.sent(guest)).items()]
    assert (await guest.get(CALLBACK, params=[*brought, ("code", "other")])).status_code == 403
    assert (await guest.get(CALLBACK, params=brought)).status_code == 200


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/portal/../x",
        "/portal//evil",
        "javascript:alert(1)",
        "/portal/\\x",
    ],
)
async def test_nobody_is_led_to_another_site(place, to):
    guest = place.guest()
    brought = place.provider.visited(await place.sent(guest, to))
    page = await guest.get(CALLBACK, params=brought)
    assert 'content="0; url=/portal/"' in page.text
    tampered = flows.begun("a" * 64, place.clinic.clock.now(), to)  # as if a browser could write what it kept
    guest.cookies[FLOW] = tampered.kept(place.logins.key)
    asked = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256", "state": tampered.state}
    asked |= {"nonce": tampered.nonce, "code_challenge": tampered.challenge, "redirect_uri": ORIGIN + CALLBACK}
    page = await guest.get(CALLBACK, params=place.provider.answer(asked))
    assert page.status_code == 200
    assert 'content="0; url=/portal/"' in page.text
    brought = place.provider.visited(await place.sent(guest, "/portal/deeds"))
    assert 'content="0; url=/portal/deeds"' in (await guest.get(CALLBACK, params=brought)).text


async def test_what_the_login_answers_is_said_and_never_shown_as_it_is(place):
    guest = place.guest()
    await place.sent(guest)
    state = flows.read_flow(guest.cookies[FLOW], place.logins.key).state
    for error, said in (("access_denied", "access_denied"), ("<script>x</script>", "(-)")):
        page = await guest.get(CALLBACK, params={"state": state, "error": error, "iss": place.provider.issuer})
        assert page.status_code == 403
        assert said in page.text
        assert "<script>x" not in page.text
    assert (await guest.get(CALLBACK, params={"state": state})).status_code == 403, "neither a code nor an error"


# --- who somebody is, and what they may do


async def test_no_claim_makes_an_owner_or_anything_that_was_not_granted(place, attack_report):
    for groups in (
        ["owner"],
        ["OWNER", "admin"],
        [],
        "owner",
        {"stewards": True},
        None,
        ["stewards "],
        [["stewards"]],
        ["x"] * 5000,
    ):
        place.clinic.clock.advance(60)
        place.provider.person["groups"] = groups
        answer = await place.signed_in(place.guest())
        assert answer.status_code == 403, groups
        assert "nobody said what you may do" in answer.text
    place.provider.person |= {"roles": ["owner"], "role": "owner", "groups": ["stewards", "owner"]}
    guest = place.guest()
    await place.signed_in(guest)
    actor = (await place.clinic.accounts.look(guest.session)).actor
    assert actor.kind is ActorKind.PERSON
    account = await place.clinic.database.read(lambda tx: tx.get(ACCOUNTS, actor.id))
    assert account.roles == (AccountRole.STEWARD,)
    assert Logins.roles(place.logins, ["owner"]) == ()
    granted = Logins(place.clinic.accounts, place.logins.provider, "groups", {"boss": (AccountRole.OWNER,)}, "x")
    assert granted.roles(["boss"]) == (), "not even by a wrong configuration"
    attack_report("login: roles that nobody granted", got=0, control=1, of=9, unit="roles")


async def test_whoever_loses_their_groups_loses_their_sessions(place):
    guest = place.guest()
    await place.signed_in(guest)
    place.provider.person["groups"] = ["audit"]
    other = place.guest()
    await place.signed_in(other)
    assert (await place.clinic.accounts.look(guest.session)).account.roles == (AccountRole.AUDITOR,)
    assert len(await place.clinic.entries("account.changed")) == 1
    await place.signed_in(place.guest())
    assert len(await place.clinic.entries("account.changed")) == 1, "nothing changed"
    place.provider.person["groups"] = []
    assert (await place.signed_in(place.guest())).status_code == 403
    assert not await place.comes_in(guest)
    assert not await place.comes_in(other)
    assert {one.facts.get("code") for one in await place.clinic.entries("session.closed")} == {logins.UNROLED}
    place.provider.person["groups"] = ["stewards"]
    await place.signed_in(guest)
    assert await place.comes_in(guest), "the login gives roles again"


async def test_who_has_lost_their_groups_is_confirmed_in_nothing(place, attack_report):
    """The attack: to confirm an old session rather than to sign in. The control: the same with other groups."""
    done = {}
    for groups in (["stewards", "audit"], []):
        place.provider.person["groups"] = ["stewards"]
        guest, other = place.guest(), place.guest()
        await place.signed_in(other)
        await place.signed_in(guest)
        token = await guest.token()
        address = await place.sent(guest, "", "/portal/oidc/confirm", token=token)
        place.provider.person["groups"] = groups
        answer = await guest.get(CALLBACK, params=place.provider.visited(address))
        await guest.post("/portal/deeds/heavy", {"token": token, "what": "sign"})
        done[len(groups)] = (answer.status_code, await place.comes_in(guest), await place.comes_in(other))
        if groups:
            account = (await place.clinic.accounts.look(guest.session)).account
            assert account.roles == (AccountRole.AUDITOR, AccountRole.STEWARD), "what is new is taken over"
    attack_report("login: confirmed without a group", got=len(place.deeds.done) - 1, control=1, of=1, unit="deeds")
    assert done == {2: (200, True, True), 0: (403, False, False)}
    assert place.deeds.done == ["sign"]
    assert (await place.clinic.database.read(lambda tx: tx.get(ACCOUNTS, account.id))).roles == ()


async def test_a_link_from_before_opens_nothing_once_the_groups_are_gone(place, attack_report):
    opened = []
    for groups in (["stewards"], []):
        place.provider.person["groups"] = ["stewards"]
        guest = place.guest()
        await place.signed_in(guest)
        link = await place.clinic.accounts.own_link((await place.clinic.accounts.look(guest.session)).actor)
        place.provider.person["groups"] = groups
        await place.signed_in(place.guest())
        with suppress(LinkRefusedError):
            opened.append(await place.clinic.accounts.enter(link.text))
    attack_report("login: own links of before, opened", got=len(opened) - 1, control=1, of=1, unit="sessions")
    assert len(opened) == 1
    await place.clinic.accounts.enter((await place.clinic.link(opened[0].account)).text)  # the owner's, later:
    (session,) = await place.clinic.database.read(lambda tx: tx.find(SESSIONS))
    assert (await place.clinic.database.read(lambda tx: tx.get(ACCOUNTS, session.account))).roles == ()


async def test_no_link_makes_a_passkey_for_an_account_of_the_login(place, attack_report):
    """Such a passkey would open the account after the groups are gone. The control: an account of the owner's."""
    guest, owner = place.guest(), await place.clinic.owner()
    await place.signed_in(guest)
    account = (await place.clinic.accounts.look(guest.session)).account
    with pytest.raises(PasskeyRefusedError):
        await place.clinic.register(await place.clinic.visitor(account))
    entered = await place.entered(account)
    assert "a passkey would outlive it" in (await entered.get("/portal/preferences")).text
    await place.clinic.accounts.close(account.id, owner)  # nor once the owner opened it again
    again = await place.clinic.accounts.make("Dr Li @ login", [AccountRole.USER], owner)
    assert again.id == account.id
    with pytest.raises(PasskeyRefusedError):
        await place.clinic.register(await place.clinic.visitor(again))
    await place.clinic.register(await place.clinic.visitor(await place.clinic.account()))
    made = len(await place.clinic.entries("passkey.added"))
    attack_report("login: passkeys by a link", got=made - 1, control=1, of=2, unit="passkeys")
    assert made == 1


async def test_nobody_becomes_a_person_by_calling_themselves_so(place):
    """Names are chosen at many logins by people themselves; only issuer and subject say who somebody is."""
    known = await place.clinic.account("Dr Li", AccountRole.CHECKER)
    mine = []
    for subject in ("4711", "4712", "4711"):
        place.provider.person["sub"] = subject
        guest = place.guest()
        await place.signed_in(guest)
        mine.append(await place.clinic.accounts.look(guest.session))
    assert known.id not in [one.account.id for one in mine]
    assert [one.name for one in mine] == ["Dr Li @ login", "Dr Li 2 @ login", "Dr Li @ login"]
    assert mine[0].account.id == mine[2].account.id != mine[1].account.id
    place.provider.person = {"sub": "9", "name": "\u202eeve\u0000", "groups": ["stewards"]}
    await place.signed_in(guest)
    assert (await place.clinic.accounts.look(guest.session)).name == "- @ login"


async def test_a_closed_account_is_not_opened_by_the_login(place):
    guest, owner = place.guest(), await place.clinic.owner()
    await place.signed_in(guest)
    account = (await place.clinic.accounts.look(guest.session)).account
    await place.clinic.accounts.close(account.id, owner, forget=True)
    answer = await place.signed_in(guest)
    assert answer.status_code == 403
    assert "your account here is closed" in answer.text


# --- confirming


async def test_what_binds_asks_the_login_again(place):
    guest = place.guest()
    await place.signed_in(guest)
    token = await guest.token()
    assert (await guest.post("/portal/deeds/heavy", {"token": token})).status_code == 303
    page = await guest.get("/portal/confirm?next=/portal/deeds")
    assert "Confirm with Hospital" in page.text
    address = await place.sent(guest, "/portal/deeds", "/portal/oidc/confirm", token=token)
    assert "prompt=login" in address
    assert "max_age=0" in address
    back = await guest.get(CALLBACK, params=place.provider.visited(address))
    assert 'content="0; url=/portal/deeds"' in back.text
    assert (await guest.post("/portal/deeds/heavy", {"token": token, "what": "sign"})).status_code == 303
    assert place.deeds.done == ["sign"]


@pytest.mark.parametrize("trick", ["old", "never", "somebody else", "no token", "signing in", "ended"])
async def test_a_confirmation_needs_the_same_person_now(place, trick):
    guest, clock = place.guest(), place.clinic.clock
    await place.signed_in(guest)
    token = await guest.token()
    clock.advance(300)
    now = int(clock.now().timestamp())
    if trick == "no token":
        assert (await guest.post("/portal/oidc/confirm", {"token": "0" * 64})).status_code == 403
    path, form = ("/portal/oidc/begin", {}) if trick == "signing in" else ("/portal/oidc/confirm", {"token": token})
    address = await place.sent(guest, "", path, **form)
    changed = {"old": {"auth_time": now - 200}, "never": {"auth_time": None}, "somebody else": {"sub": "4712"}}
    place.provider.person |= changed.get(trick, {})
    if trick == "ended":
        await place.clinic.accounts.leave(guest.session)
    answer = await guest.get(CALLBACK, params=place.provider.visited(address))
    assert answer.status_code == {"no token": 200, "signing in": 200, "ended": 303}.get(trick, 403)
    if trick == "ended":
        assert answer.headers["location"] == "/portal/sign-in"
        return
    done = await guest.post("/portal/deeds/heavy", {"token": await guest.token(), "what": "sign"})
    assert (place.deeds.done == ["sign"]) is (trick == "no token"), "the control is the honest way"
    assert done.status_code == 303


async def test_a_login_gives_no_passkey_that_would_outlive_it(place):
    guest = place.guest()
    await place.signed_in(guest)
    token = await guest.token()
    address = await place.sent(guest, "", "/portal/oidc/confirm", token=token)
    await guest.get(CALLBACK, params=place.provider.visited(address))
    begun = await guest.post("/portal/passkeys/register/begin", {}, headers=OWN | {"x-form-token": token})
    assert (begun.status_code, begun.json()["code"]) == (403, "passkey.refused")
    assert "a passkey would outlive it" in (await guest.get("/portal/preferences")).text


async def test_who_has_no_such_login_confirms_with_none(place):
    guest = await place.entered(await place.clinic.account())
    assert "Confirm with Hospital" not in (await guest.get("/portal/confirm")).text
    answer = await guest.post("/portal/oidc/confirm", {"token": await guest.token()})
    assert answer.status_code == 403
    nobody = await place.guest().post("/portal/oidc/confirm", {"token": "0" * 64})
    assert nobody.status_code == 403


# --- what comes from elsewhere


async def test_only_a_page_of_the_portal_begins(place):
    guest = place.guest()
    for headers in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert (await guest.post("/portal/oidc/begin", {}, headers=headers)).status_code == 403
    assert place.provider.asked == []
    assert "Sign in with Hospital" in (await guest.get("/portal/sign-in")).text


async def test_beginning_anew_ends_the_session_that_was_there(place):
    guest = await place.entered(await place.clinic.account())
    copy = Guest(place.app, dict(guest.cookies))
    await place.signed_in(guest)
    assert await place.comes_in(guest)
    assert not await place.comes_in(copy)


@pytest.mark.parametrize(
    "kept",
    ["", "x", "0" * 64, "." * 3, f"{'0' * 64}.9..A", f"{'0' * 64}.99999999999..", "a" * 9000],
)
async def test_made_up_flows_are_nobodys(place, kept):
    guest = Guest(place.app, {FLOW: kept} if kept else {})
    answer = await guest.get(CALLBACK, params={"state": "0" * 64, "code": "x", "iss": place.provider.issuer})
    assert answer.status_code == 403


@pytest.mark.parametrize("brake", [True, False], ids=["on", "off"])
async def test_nobody_writes_a_flow_that_began_before_they_came(place, brake, attack_report):
    """At an unlocked desk: a flow that says it began when its owner last typed a password is confirmed unasked."""
    guest, clock = place.guest(), place.clinic.clock
    await place.signed_in(guest)
    signed_in = int(clock.now().timestamp())
    clock.advance(590)
    key = b"1" * 32 if brake else place.logins.key  # the control: as if it could be written
    session = (await place.clinic.accounts.look(guest.session)).session.id
    flow = replace(flows.begun("a" * 64, clock.now(), "", session), begun=signed_in)
    guest.cookies[FLOW] = flow.kept(key)
    asked = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256", "state": flow.state}
    asked |= {"nonce": flow.nonce, "code_challenge": flow.challenge, "redirect_uri": ORIGIN + CALLBACK}
    place.provider.person |= {"auth_time": signed_in}  # whoever is signed in there is not asked again
    answer = await guest.get(CALLBACK, params=place.provider.answer(asked))
    got = int(answer.status_code == 200)
    attack_report(
        "login: confirmed by a flow of one's own", of=1, unit="sessions", **{"got" if brake else "control": got}
    )
    assert got == (not brake)


async def test_a_changed_flow_and_one_from_before_a_restart_are_nobodys(place):
    guest = place.guest()
    brought = place.provider.visited(await place.sent(guest))
    kept = guest.cookies[FLOW]
    for changed in (kept[:-1] + ("0" if kept[-1] != "0" else "1"), kept.rpartition(".")[0]):
        guest.cookies[FLOW] = changed
        assert (await guest.get(CALLBACK, params=brought)).status_code == 403
    guest.cookies[FLOW] = kept
    again = Logins(place.clinic.accounts, place.logins.provider, "groups", GRANTS, "login")
    with pytest.raises(LoginRefusedError):
        await again.flow(kept, brought["state"])
    assert (await guest.get(CALLBACK, params=brought)).status_code == 200


async def test_a_flow_that_takes_too_long_is_over(place):
    guest = place.guest()
    brought = place.provider.visited(await place.sent(guest))
    place.clinic.clock.advance(flows.FLOW_LIFE.total_seconds())
    assert (await guest.get(CALLBACK, params=brought)).status_code == 403
    flow = flows.read_flow(guest.cookies[FLOW], place.logins.key)
    later = flows.begun(flow.secret, place.clinic.clock.now(), flow.back)
    assert later.state != flow.state, "a browser that changes when it began has another state"


async def test_wrong_answers_are_few(place):
    """Whoever guesses keeps the login from being asked; each answer would be a question to it."""
    found = []
    for _ in range(15):
        guest = place.guest()
        brought = place.provider.visited(await place.sent(guest)) | {"code": "made-up"}
        found.append((await guest.get(CALLBACK, params=brought)).status_code)
    assert found[:10] == [403] * 10
    assert set(found[10:]) == {429}
    assert place.provider.asked.count("token") == 10


async def test_what_nobody_began_keeps_nobody_out(place, attack_report):
    """Answers without a flow are not counted: otherwise anybody could lock all people out who share a proxy."""
    asked = {"state": "0" * 64, "code": "x", "iss": place.provider.issuer}
    for _ in range(30):
        assert (await place.guest().get(CALLBACK, params=asked)).status_code == 403
    came = (await place.signed_in(place.guest())).status_code == 200
    attack_report("login: people kept out by made-up answers", got=not came, control=1, of=1, unit="people")
    assert came


async def test_a_stolen_database_finishes_no_login(place):
    """Neither state, nonce nor the verifier of PKCE is kept; what is, are digests of what was used."""
    guest = place.guest()
    brought = place.provider.visited(await place.sent(guest))
    flow = flows.read_flow(guest.cookies[FLOW], place.logins.key)
    assert await place.clinic.database.read(lambda tx: tx.find(logins.SPENT_LOGINS)) == []
    await guest.get(CALLBACK, params=brought)
    (kept,) = await place.clinic.database.read(lambda tx: tx.find(logins.SPENT_LOGINS))
    assert kept.id == sha256(flow.state.encode()).hexdigest()
    (person,) = await place.clinic.database.read(lambda tx: tx.find(logins.LOGIN_PEOPLE))
    assert "4711" not in str(person)
    assert idtokens.groups_of({"realm": {"roles": ["a", 1]}}, "realm.roles") == ("a",)
