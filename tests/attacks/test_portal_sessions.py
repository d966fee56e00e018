"""Whoever wants the session of somebody else gets none, and one that is over opens nothing."""

from datetime import timedelta

import pytest

from medspace.app.doors.portal.guarding import SESSION, VISITOR, cookie_of
from medspace.services.accounts import rules
from medspace.services.accounts.model import AccountRole
from medspace.services.accounts.rules import IDLE, LONGEST_SESSION
from tests.attacks.portal_guests import ORIGIN, Guest, Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


async def comes_in(guest):
    return (await guest.get("/portal/deeds")).status_code == 200


async def test_a_session_is_in_a_cookie_of_this_host_that_no_script_reads_and_in_no_address(place):
    account = await place.clinic.account()
    guest = place.guest()
    answer = await guest.enter((await place.clinic.link(account)).text)
    (told,) = answer.headers.get_list("set-cookie")
    flags = {one.strip().lower() for one in told.split(";")[1:]}
    assert told.startswith("__Host-")
    assert flags == {"httponly", "secure", "samesite=strict", "path=/"}
    assert answer.headers["location"] == "/portal/"
    page = await guest.get("/portal/deeds")
    assert guest.session not in page.text + str(page.headers)
    assert not await comes_in(Guest(place.app, {"session": guest.session}))
    assert (await place.guest().get(f"/portal/deeds?{SESSION}={guest.session}")).status_code == 302


async def test_a_session_that_was_put_there_is_neither_used_nor_kept_when_somebody_signs_in(place):
    attacker = await place.entered(await place.clinic.account("Eve"))
    victim = Guest(place.app, {SESSION: attacker.session})
    await victim.enter((await place.clinic.link(await place.clinic.account())).text)
    assert victim.session != attacker.session
    assert await comes_in(victim)
    assert not await comes_in(attacker), "the session that the browser had is over"


@pytest.mark.parametrize("made_up", ["0" * 64, "", "a" * 100_000, "\u00e9", "../../x", "%00", '"' + "0" * 64 + '"'])
async def test_made_up_sessions_are_nobodys(place, made_up):
    guest = place.guest()
    cookie = {"cookie": f"{SESSION}={made_up}".encode("latin-1")}
    assert (await guest.get("/portal/deeds", headers=cookie)).status_code == 302


@pytest.mark.parametrize("order", [1, -1])
async def test_a_session_that_was_tossed_beside_the_own_one_is_not_taken(place, order):
    victim = await place.entered(await place.clinic.account())
    eve = await place.entered(await place.clinic.account("Eve"))
    pair = [f"{SESSION}={one.session}" for one in (victim, eve)][::order]
    for headers in ({"cookie": "; ".join(pair)}, [("cookie", one) for one in pair]):
        assert (await place.guest().get("/portal/deeds", headers=headers)).status_code == 302
    alone = {"cookie": f"a=b; {pair[0]}; {VISITOR}=x"}  # the control
    assert (await place.guest().get("/portal/deeds", headers=alone)).status_code == 200


async def test_a_session_is_over_with_signing_out_on_all_its_copies(place):
    guest = await place.entered(await place.clinic.account())
    thief = Guest(place.app, dict(guest.cookies))
    assert await comes_in(thief), "the control: a stolen session is one"
    await guest.post("/portal/sign-out", {"token": await guest.token()})
    assert not await comes_in(thief)
    assert guest.session == ""


async def test_a_closed_account_and_other_roles_count_at_once(place):
    account, owner = await place.clinic.account(), await place.clinic.owner()
    guest = await place.entered(account)
    token = await guest.token()
    await place.clinic.accounts.change(account.id, [AccountRole.AUDITOR], owner)
    answer = await guest.post("/portal/deeds/light", {"token": token, "what": "x"})
    assert (answer.status_code, place.deeds.done) == (403, [])
    assert await comes_in(guest), "what the new role opens is open"
    await place.clinic.accounts.change(account.id, [AccountRole.PATIENT], owner)
    assert not await comes_in(guest)
    await place.clinic.accounts.close(account.id, owner)
    assert (await guest.get("/portal/preferences")).status_code == 303


async def test_a_session_ends_when_nobody_uses_it_and_in_any_case(place):
    clock = place.clinic.clock
    guest = await place.entered(await place.clinic.account())
    began = clock.now()
    while clock.now() + IDLE < began + LONGEST_SESSION:
        clock.advance((IDLE - timedelta(seconds=1)).total_seconds())
        assert await comes_in(guest)
    clock.advance((began + LONGEST_SESSION - clock.now()).total_seconds())
    assert not await comes_in(guest)
    guest = await place.entered(await place.clinic.account("Dr Wang"))
    clock.advance(IDLE.total_seconds())
    assert not await comes_in(guest)


@pytest.mark.parametrize("brake", [True, False], ids=["on", "off"])
async def test_a_page_that_stands_open_keeps_no_session_alive(place, brake, attack_report):
    guest, clock = await place.entered(await place.clinic.account()), place.clinic.clock
    live = "/portal/events/runs/1" if brake else "/portal/deeds"  # the control: as if somebody were there
    hours = 0
    for _ in range(8):  # the browser comes back by itself, as an EventSource does
        clock.advance((IDLE / 3).total_seconds())
        hours += (await guest.get(live)).status_code == 200
    lasted = {"got": hours - 2} if brake else {"control": hours - 2}
    attack_report("portal: a page left open goes on after half an hour", of=6, unit="visits", **lasted)
    assert hours == (2 if brake else 8)


async def test_streams_are_for_sessions_and_are_no_pages_of_their_own(place):
    assert (await place.guest().get("/portal/events/runs/1")).status_code == 401
    guest = await place.entered(await place.clinic.account())
    answer = await guest.get("/portal/events/runs/1")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    again = place.asked[-1]["medspace.actor.again"]
    await place.clinic.accounts.leave(guest.session)
    with pytest.raises(Exception, match="session"):
        await again()


async def test_the_secret_of_a_browser_that_signs_in_is_ours(place):
    guest = Guest(place.app, {VISITOR: "chosen by somebody else"})
    await guest.get("/portal/sign-in")
    assert len(guest.cookies[VISITOR]) == 64
    drawn = guest.cookies[VISITOR]
    await guest.get("/portal/sign-in")
    assert guest.cookies[VISITOR] == drawn


async def test_strangers_who_ask_to_sign_in_take_no_question_away_from_who_is_signed_in(place, monkeypatch):
    monkeypatch.setattr(rules, "MOST_CHALLENGES", 20)
    clinic = place.clinic
    visitor = await clinic.visitor(await clinic.account())
    key = await clinic.register(visitor)
    options = await clinic.passkeys.begin_confirmation(visitor)
    for number in range(60):
        clinic.clock.advance(1)
        await clinic.passkeys.begin_sign_in(f"{number:064x}")
    confirmed = await clinic.passkeys.finish_confirmation(visitor, key.get(options))
    assert confirmed.session.confirmed


def test_connectors_on_one_machine_do_not_take_each_others_sessions_away():
    """Browsers keep cookies by host; a port makes none of them another's."""
    named = [cookie_of(SESSION, f"http://localhost:{port}") for port in (8081, 8083)]
    assert len({*named, SESSION}) == 3
    assert all(name.startswith("__Host-") for name in named)
    assert cookie_of(SESSION, ORIGIN) == SESSION
