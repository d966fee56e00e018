"""Blocks that all watchers share hold nothing that is one person's, and open to nobody who could not see them."""

import pytest

from medspace.app.doors.portal.sharing import KEPT
from medspace.services.accounts.model import AccountRole
from tests.attacks.portal_guests import Deeds, Place

PAGE = """{% extends "base.html" %}{% block content %}<div id="stand">{% block stand %}
<p>made {{ made }} for {{ frame.person or "everybody" }} with {{ frame.token or "no token" }} on {{ frame.page }}</p>
{% endblock %}</div>{% endblock %}"""
BLOCK = {"hx-request": "true", "hx-target": "stand"}
OLD, NEW = "/portal/deeds?version=1", "/portal/deeds?version=2"


class Watched(Deeds):
    """One page that many have open; it counts how often it is made."""

    def __init__(self, folder):
        (folder / "watched.html").write_text(PAGE)
        super().__init__(folder)
        self.made, self.refuses, self.version = 0, None, 1

    async def shown(self, visit):
        return await visit.watched("deeds/watched.html", self.facts)

    async def facts(self):
        self.made += 1
        if self.refuses:
            raise self.refuses
        return {"made": self.made, "version": self.version}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, Watched)


async def entered(place, name, role=AccountRole.STEWARD):
    return await place.entered(await place.clinic.account(name, role))


async def test_a_shared_block_has_no_token_name_or_address_of_whoever_asked_first(place):
    first, second = await entered(place, "Dr Li"), await entered(place, "Dr Wang")
    whole = await first.get(OLD)
    assert "Dr Li" in whole.text, "a control: the whole page is theirs"
    blocks = [await one.get(OLD, headers=BLOCK) for one in (first, second)]
    assert blocks[0].text == blocks[1].text
    assert "for everybody with no token on" in blocks[0].text
    assert place.deeds.made == 2, "the whole page, and one block for both"
    place.deeds.version = 2
    assert (await second.get(NEW, headers=BLOCK)).text != blocks[0].text


async def test_a_version_that_is_not_there_yet_shows_nobody_what_is_old(place):
    liar, watcher = await entered(place, "Dr Li"), await entered(place, "Dr Wang")
    early = await liar.get(NEW, headers=BLOCK)
    assert "made 1 " in early.text
    place.deeds.version = 2
    told = [(await one.get(NEW, headers=BLOCK)).text for one in (watcher, liar)]
    assert ["made 2 " in text for text in told] == [True, True], "a control: the second is made once for both"
    place.clinic.clock.advance(KEPT.total_seconds() + 1)
    assert "made 3 " in (await watcher.get(NEW, headers=BLOCK)).text


async def test_whoever_may_do_other_things_gets_a_block_of_their_own_and_whoever_may_not_see_it_none(place):
    steward, auditor = await entered(place, "Dr Li"), await entered(place, "Dr Wang", AccountRole.AUDITOR)
    patient = await entered(place, "Ms Zhao", AccountRole.PATIENT)
    told = [(await one.get(OLD, headers=BLOCK)).text for one in (steward, auditor)]
    assert told[0] != told[1]
    chinese = await steward.get(OLD, headers={**BLOCK, "accept-language": "zh"})
    assert chinese.text not in told
    assert (await patient.get(OLD, headers=BLOCK)).status_code == 403
    assert (await place.guest().get(OLD, headers=BLOCK)).status_code == 302
    await steward.post("/portal/sign-out", {"token": await steward.token()})
    assert (await steward.get(OLD, headers=BLOCK)).status_code == 302


async def test_without_a_version_a_block_is_made_for_each(place):
    guest = await entered(place, "Dr Li")
    for _ in range(2):
        await guest.get("/portal/deeds", headers=BLOCK)
    assert place.deeds.made == 2


async def test_what_was_refused_is_not_kept(place):
    guest = await entered(place, "Dr Li")
    place.deeds.refuses = RuntimeError("no")
    assert (await guest.get(OLD, headers=BLOCK)).status_code == 500
    place.deeds.refuses = None
    assert (await guest.get(OLD, headers=BLOCK)).status_code == 200
