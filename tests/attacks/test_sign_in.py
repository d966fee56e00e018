"""The portal's doors: links, sessions and passkeys that were overheard, guessed, copied, replayed or lent.

Each attack is followed by its control: the same with the honest step, or with that one brake off.
"""

import asyncio
import json
from dataclasses import replace

import pytest

from medspace.core.actors import ActorKind, Scope
from medspace.services.accounts import ceremonies, rules
from medspace.services.accounts.errors import (
    ConfirmationNeededError,
    LinkRefusedError,
    PasskeyRefusedError,
    SessionEndedError,
)
from medspace.services.accounts.model import CHALLENGES, PASSKEYS, AccountRole, Ceremony
from medspace.services.accounts.passkeys import Passkeys
from tests.passkeys import PRESENT, VERIFIED, Authenticator, b64, unb64
from tests.portals import VISIT, Clinic

OTHER_VISIT = "b" * 64


@pytest.fixture
def clinic():
    return Clinic()


async def outcomes(*attempts):
    return await asyncio.gather(*attempts, return_exceptions=True)


def opened(found):
    return [one for one in found if not isinstance(one, Exception)]


async def test_a_link_opens_one_session_however_many_follow_it_at_once(clinic, attack_report):
    link = await clinic.link(await clinic.account())
    found = await outcomes(*(clinic.accounts.enter(link.text) for _ in range(20)))
    assert len(opened(found)) == 1
    assert all(isinstance(one, LinkRefusedError) for one in found if isinstance(one, Exception))
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(link.text)
    control = await outcomes(*[clinic.accounts.enter((await clinic.link(await clinic.account("x"))).text)])
    attack_report(
        "portal: link followed twenty times",
        got=len(opened(found)) - 1,
        control=len(opened(control)),
        of=19,
        unit="sessions",
    )


async def test_an_expired_link_opens_nothing(clinic, monkeypatch):
    link = await clinic.link(await clinic.account())
    clinic.clock.advance(rules.LINK_LIFE.total_seconds())
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(link.text)
    monkeypatch.setattr(rules, "link_counts", lambda link, now: True)
    await clinic.accounts.enter(link.text)


async def test_guessed_and_tampered_sessions_are_nobodys(clinic):
    secret = await clinic.enter(await clinic.account())
    kept = rules.digest_of(secret)  # what a stolen database holds
    for place in range(len(secret)):
        wrong = secret[:place] + ("0" if secret[place] != "0" else "1") + secret[place + 1 :]
        with pytest.raises(SessionEndedError):
            await clinic.accounts.look(wrong)
    for wrong in (
        kept,
        f"sha256:{kept}",
        secret.upper(),
        secret + "0",
        secret[:-1],
        f" {secret}",
        "",
        "\0",
        "é" * 64,
    ):
        with pytest.raises(SessionEndedError):
            await clinic.accounts.look(wrong)
    await clinic.accounts.look(secret)


async def test_a_link_that_is_kept_as_a_digest_opens_nothing(clinic):
    link = await clinic.link(await clinic.account())
    for text in (link.link.id, rules.LINK_PREFIX + link.link.id):
        with pytest.raises(LinkRefusedError):
            await clinic.accounts.enter(text)
    await clinic.accounts.enter(link.text)


async def test_a_closed_account_is_shut_to_sessions_links_and_passkeys(clinic):
    account = await clinic.account()
    session, link = await clinic.enter(account), await clinic.link(account)
    authenticator = await clinic.register(await clinic.visitor(account))
    begun = await clinic.passkeys.begin_sign_in(VISIT)
    await clinic.accounts.close(account.id, await clinic.owner())
    with pytest.raises(SessionEndedError):
        await clinic.accounts.look(session)
    with pytest.raises(LinkRefusedError):
        await clinic.accounts.enter(link.text)
    for attempt in (clinic.passkeys.finish_sign_in(VISIT, authenticator.get(begun)), clinic.sign_in(authenticator)):
        with pytest.raises(PasskeyRefusedError):
            await attempt
    await clinic.account()  # opened anew: what was lost with it stays lost
    with pytest.raises(PasskeyRefusedError):
        await clinic.sign_in(authenticator)


async def test_an_account_that_closes_while_somebody_signs_in_opens_nothing(clinic):
    """The passkey is looked at, the account is closed, and only then would the session begin."""
    account = await clinic.account()
    authenticator = await clinic.register(await clinic.visitor(account))
    options = await clinic.passkeys.begin_sign_in(VISIT)
    owner, verifier = await clinic.owner(), clinic.passkeys.verifier

    class Slow:
        def asserted(self, *given):
            count = verifier.asserted(*given)
            asyncio.run_coroutine_threadsafe(clinic.accounts.close(account.id, owner), loop).result()
            return count

    loop = asyncio.get_running_loop()
    slow = replace(clinic.passkeys, verifier=Slow())
    with pytest.raises(PasskeyRefusedError):
        await slow.finish_sign_in(VISIT, authenticator.get(options))


async def test_another_persons_passkey_confirms_nothing(clinic):
    victim = await clinic.visitor(await clinic.account())
    own = await clinic.register(victim)
    thief = await clinic.register(await clinic.visitor(await clinic.account("Thief")))
    options = await clinic.passkeys.begin_confirmation(victim)
    with pytest.raises(PasskeyRefusedError):
        await clinic.passkeys.finish_confirmation(victim, thief.get(options, thief.keys[0]))
    options = await clinic.passkeys.begin_confirmation(victim)
    answer = thief.get(options, thief.keys[0], handle=own.keys[0].handle)
    with pytest.raises(PasskeyRefusedError):  # nor does saying that it is the victim's
        await clinic.passkeys.finish_confirmation(victim, answer)
    assert rules.confirmed((await clinic.confirm(victim, own)).session, clinic.clock.now())


async def test_an_overheard_answer_is_worth_nothing_again(clinic, attack_report, monkeypatch):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()), Authenticator(counts=False))
    options = await clinic.passkeys.begin_sign_in(VISIT)
    answer = authenticator.get(options)
    found = await outcomes(*(clinic.passkeys.finish_sign_in(VISIT, answer) for _ in range(10)))
    assert len(opened(found)) == 1
    await clinic.passkeys.begin_sign_in(VISIT)
    with pytest.raises(PasskeyRefusedError):
        await clinic.passkeys.finish_sign_in(VISIT, answer)

    async def no_brake(self, *given):
        return None

    monkeypatch.setattr(type(clinic.passkeys), "_take", no_brake)
    control = await outcomes(*(clinic.passkeys.finish_sign_in(VISIT, answer) for _ in range(9)))
    attack_report(
        "portal: passkey's answer replayed",
        got=len(opened(found)) - 1,
        control=len(opened(control)),
        of=9,
        unit="sessions",
    )


async def test_a_wrong_answer_uses_up_its_challenge(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    options = await clinic.passkeys.begin_sign_in(VISIT)
    for who in (authenticator.other(flags=PRESENT), authenticator):
        with pytest.raises(PasskeyRefusedError):
            await clinic.passkeys.finish_sign_in(VISIT, who.get(options))


async def test_an_answer_counts_where_and_for_what_it_was_asked_and_in_time(clinic):
    account = await clinic.account()
    visitor, other = await clinic.visitor(account), await clinic.visitor(account)
    authenticator = await clinic.register(visitor)
    sign_in, confirm = clinic.passkeys.finish_sign_in, clinic.passkeys.finish_confirmation
    for options, finish in (
        (await clinic.passkeys.begin_sign_in(VISIT), lambda answer: sign_in(OTHER_VISIT, answer)),
        (await clinic.passkeys.begin_sign_in(VISIT), lambda answer: confirm(visitor, answer)),
        (await clinic.passkeys.begin_confirmation(visitor), lambda answer: confirm(other, answer)),
        (await clinic.passkeys.begin_confirmation(visitor), lambda answer: sign_in(VISIT, answer)),
    ):
        with pytest.raises(PasskeyRefusedError, match="elsewhere"):
            await finish(authenticator.get(options))
    options = await clinic.passkeys.begin_sign_in(VISIT)
    clinic.clock.advance(rules.CHALLENGE_LIFE.total_seconds())
    with pytest.raises(PasskeyRefusedError, match="too long ago"):
        await sign_in(VISIT, authenticator.get(options))
    await clinic.sign_in(authenticator)


async def test_a_copied_passkey_is_noticed_by_its_count(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    copy = authenticator.other()
    for _ in range(3):
        await clinic.sign_in(authenticator)
    for _ in range(3):
        with pytest.raises(PasskeyRefusedError, match="copy"):
            await clinic.sign_in(copy)
    await clinic.sign_in(authenticator)


async def test_two_answers_of_one_count_open_one_session(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    copy = authenticator.other()
    answers = [(one, (await clinic.passkeys.begin_sign_in(one))) for one in (VISIT, OTHER_VISIT)]
    found = await outcomes(
        *(
            clinic.passkeys.finish_sign_in(visit, who.get(options))
            for (visit, options), who in zip(answers, (authenticator, copy), strict=True)
        )
    )
    assert len(opened(found)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://portal.clinic.example.evil.example"},
        {"origin": "http://portal.clinic.example"},
        {"origin": "https://portal.clinic.example:444"},
        {"host": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": 0},
        {"more": {"crossOrigin": True}},
        {"more": {"crossOrigin": "false"}},
        {"more": {"topOrigin": "https://evil.example"}},
        {"more": {"type": "webauthn.create"}},
    ],
)
async def test_an_answer_for_another_site_or_without_the_person_opens_nothing(clinic, changed):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    with pytest.raises(PasskeyRefusedError):
        await clinic.sign_in(authenticator.other(**changed))
    authenticator.count += 1
    await clinic.sign_in(authenticator)


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
        {"flags": PRESENT},
        {"fmt": "tpm"},
        {"fmt": "packed", "statement": {"alg": -7, "sig": b"x"}},
        {"more": {"type": "webauthn.get"}},
    ],
)
async def test_a_passkey_for_another_site_or_without_the_person_is_not_taken(clinic, changed):
    visitor = await clinic.visitor(await clinic.account())
    with pytest.raises(PasskeyRefusedError):
        await clinic.register(visitor, Authenticator(**changed))
    await clinic.register(visitor, Authenticator())


async def test_signing_in_gives_a_new_session_whatever_the_browser_had(clinic):
    """Session fixation: a secret that somebody else put into the browser never becomes that of a session."""
    account = await clinic.account()
    before = await clinic.enter(account)
    link = await clinic.link(account)
    after = (await clinic.accounts.enter(link.text)).secret
    authenticator = await clinic.register(await clinic.accounts.look(after))
    opened_by_passkey = (await clinic.sign_in(authenticator, before)).secret  # the visit's secret is chosen by others
    assert len({before, after, opened_by_passkey}) == 3
    assert (await clinic.accounts.look(before)).session.confirmed == ""
    for planted in (VISIT, OTHER_VISIT):
        await clinic.sign_in(authenticator, planted)
        with pytest.raises(SessionEndedError):
            await clinic.accounts.look(planted)


async def test_a_stolen_session_makes_no_passkey_and_a_stolen_token_none_either(clinic):
    account = await clinic.account("Dr Li", AccountRole.STEWARD)
    visitor = await clinic.visitor(account)
    authenticator = await clinic.register(visitor)
    with pytest.raises(ConfirmationNeededError):
        await clinic.passkeys.begin_registration(visitor)
    options = await clinic.passkeys.begin_confirmation(visitor)
    with pytest.raises(PasskeyRefusedError):  # an answer to one question is none to the other
        await clinic.passkeys.finish_registration(visitor, Authenticator().create(options | {"user": {"id": "AA"}}))
    await clinic.account("Dr Wang", AccountRole.STEWARD)
    made = await clinic.tokens.mint("Dr Wang", ActorKind.PERSON, [Scope.READ], 1, await clinic.owner())
    by = await clinic.tokens.authenticate(made.text)
    lent = await clinic.accounts.look((await clinic.accounts.enter((await clinic.accounts.own_link(by)).text)).secret)
    with pytest.raises(PasskeyRefusedError, match="token"):
        await clinic.register(lent)
    assert lent.actor.scopes == {Scope.READ}
    await clinic.sign_in(authenticator)


async def test_two_tabs_make_one_first_passkey(clinic):
    visitor = await clinic.visitor(await clinic.account())
    options = [await clinic.passkeys.begin_registration(visitor) for _ in range(2)]
    await clinic.passkeys.finish_registration(visitor, Authenticator().create(options[0]))
    with pytest.raises(ConfirmationNeededError):
        await clinic.passkeys.finish_registration(visitor, Authenticator().create(options[1]))


async def test_a_passkey_is_registered_once(clinic):
    """Whoever registers another's passkey as their own would be signed in as, or sign in, somebody else."""
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    thief = await clinic.visitor(await clinic.account("Thief"))
    options = await clinic.passkeys.begin_registration(thief)
    answer = json.loads(Authenticator().create(options))
    attestation = unb64(answer["response"]["attestationObject"])
    made, known = unb64(answer["id"]), authenticator.keys[0].id
    answer["id"] = answer["rawId"] = b64(known)
    answer["response"]["attestationObject"] = b64(attestation.replace(made, known))
    with pytest.raises(PasskeyRefusedError, match="already"):
        await clinic.passkeys.finish_registration(thief, json.dumps(answer).encode())
    owner_of = await clinic.database.read(lambda tx: tx.get(PASSKEYS, b64(known)))
    assert owner_of.account != thief.account.id


async def test_a_handle_of_somebody_else_is_refused(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    with pytest.raises(PasskeyRefusedError):
        await clinic.sign_in(authenticator, handle=b"x" * 16)
    await clinic.sign_in(authenticator)


@pytest.mark.parametrize("visit", ["", "x", "A" * 64, "\udc80" * 64])
async def test_a_browser_without_a_secret_of_ours_is_asked_nothing(clinic, visit):
    with pytest.raises(SessionEndedError):
        await clinic.passkeys.begin_sign_in(visit)


class KeepingPasskeys(Passkeys):
    """The control: what was asked is kept, as it is for who is signed in."""

    async def begin_sign_in(self, visit):
        drawn = self._draw()

        def work(book):
            self._keep(book, drawn, rules.holder_of_visit(visit), Ceremony.SIGN_IN)
            return ceremonies.request(self.party, drawn)

        return await self.accounts.write(work)

    async def _spend(self, given, holder):
        await self._take(given, holder, Ceremony.SIGN_IN)
        raise AssertionError


@pytest.mark.parametrize("brake", [True, False])
async def test_a_flood_of_questions_neither_fills_the_database_nor_shuts_anybody_out(
    clinic, brake, monkeypatch, attack_report
):
    monkeypatch.setattr(rules, "MOST_CHALLENGES", 50)
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    whole = clinic.passkeys
    passkeys = whole if brake else KeepingPasskeys(whole.accounts, whole.verifier, whole.party)
    options = await passkeys.begin_sign_in(VISIT)
    for number in range(200):
        clinic.clock.advance(0.01)
        await passkeys.begin_sign_in(f"{number:064x}")
    kept = await clinic.database.read(lambda tx: tx.count(CHALLENGES, {}, 1000))
    if brake:
        assert (await passkeys.finish_sign_in(VISIT, authenticator.get(options))).secret
        attack_report("portal: questions to sign in that are kept", got=kept, of=200, unit="questions")
    else:
        with pytest.raises(PasskeyRefusedError, match="too long ago"):
            await passkeys.finish_sign_in(VISIT, authenticator.get(options))
        attack_report("portal: questions to sign in that are kept", control=kept, of=200, unit="questions")
    assert kept == (0 if brake else 50)


async def test_wrong_answers_do_not_make_a_right_one_count_again(clinic, monkeypatch):
    monkeypatch.setattr(rules, "MOST_CHALLENGES", 5)
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()), Authenticator(counts=False))
    right = authenticator.get(await clinic.passkeys.begin_sign_in(VISIT))
    await clinic.passkeys.finish_sign_in(VISIT, right)
    stranger = authenticator.other(flags=PRESENT)
    for number in range(20):
        visit = f"{number:064x}"
        with pytest.raises(PasskeyRefusedError):
            await clinic.passkeys.finish_sign_in(visit, stranger.get(await clinic.passkeys.begin_sign_in(visit)))
    assert await clinic.database.read(lambda tx: tx.count(CHALLENGES, {}, 1000)) == 5
    with pytest.raises(PasskeyRefusedError, match="too long ago"):
        await clinic.passkeys.finish_sign_in(VISIT, right)
    await clinic.sign_in(authenticator)  # the control: a new one counts


async def test_a_question_of_another_start_of_the_connector_is_nobodys(clinic):
    authenticator = await clinic.register(await clinic.visitor(await clinic.account()))
    options = await clinic.passkeys.begin_sign_in(VISIT)
    again = Passkeys(clinic.accounts, clinic.passkeys.verifier, clinic.passkeys.party)
    with pytest.raises(PasskeyRefusedError, match="too long ago"):
        await again.finish_sign_in(VISIT, authenticator.get(options))
    await clinic.passkeys.finish_sign_in(VISIT, authenticator.get(options))
