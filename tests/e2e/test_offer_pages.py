"""The page on which the terms of an offer are changed: what protects less than before is confirmed by itself."""

import re

import httpx
import pytest

from medspace.app.node.config import read_config
from medspace.connector.catalogue import figures
from medspace.core.errors import MedspaceError
from tests.attacks.test_portal_scopes import comes_in
from tests.e2e.space import ASSET, hospital, staged
from tests.passkeys import Authenticator

PAGE = f"/portal/offers/change/{ASSET}"
LOOSER = {"until": "", "count": "", "min_sites": "1", "questions": "12", "offer": ""}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("pages")) as stage:
        stage.add("clinic", hospital())
        stage.open()
        stage.admit()
        stage.space("clinic").change_offer(ASSET, count=20, min_sites=3, questions=11)
        yield stage


@pytest.fixture
def steward(stage):
    space = stage.space("clinic")
    known = {one["name"]: one["id"] for one in space.accounts()}
    account = known.get("Dr Li") or space.new_account("Dr Li", ["steward"])["id"]
    with httpx.Client(base_url=stage.nodes["clinic"].private_url) as client:
        origin = stage.nodes["clinic"].connector.of("accounts").origin
        key = None if "Dr Li" in known else Authenticator(origin=origin, host="localhost")
        yield comes_in(stage, client, space.account_link(account)["text"], key)


def terms(stage):
    asset = read_config(stage.nodes["clinic"].file).assets[0]
    return asset.offers[0].terms["min_sites"], asset.questions


def test_what_loosens_stands_on_the_page_and_is_refused_until_each_of_it_is_ticked(stage, steward):
    shown = steward.ask("GET", PAGE, params=LOOSER).text
    assert "hospitals in each sum: 3 -&gt; 1" in shown
    assert re.findall(r'name="loosen" value="([a-z_]+)"', shown) == ["min_sites", "questions"]
    (seen,) = re.findall(r'name="seen" value="([^"]+)"', shown)
    before = terms(stage)
    for ticked in ([], ["questions"], ["count"]):
        answer = steward.send(PAGE, **LOOSER, loosen=ticked, seen=seen)
        assert (answer.status_code, "offer.loosens" in answer.text) == (400, True)
        assert 'name="loosen" value="min_sites"' in answer.text  # and may be ticked there
        assert terms(stage) == before
    answer = steward.send(PAGE, **LOOSER, loosen=["min_sites", "questions"], seen=f"sha256:{'0' * 64}")
    assert (answer.status_code, "offer.moved" in answer.text) == (400, True)
    assert f'name="seen" value="{seen}"' in answer.text  # what it would be now stands on the page
    assert terms(stage) == before
    answer = steward.send(PAGE, **LOOSER, loosen=["min_sites", "questions"], seen=seen)  # the control
    assert answer.status_code == 303
    assert terms(stage) == (1, 12)


def test_what_is_so_already_is_said(stage, steward):
    now = dict(LOOSER, min_sites=str(terms(stage)[0]), questions=str(terms(stage)[1]))
    assert "all is so already" in steward.ask("GET", PAGE, params=now).text


def test_to_publish_more_of_the_content_is_confirmed_and_to_publish_less_is_not(stage, steward):
    shown = steward.ask("GET", PAGE, params=dict.fromkeys(LOOSER, "") | {"publish": "both"}).text
    assert "how many patients it has; how often values are missing" in shown
    assert re.findall(r'name="loosen" value="([a-z_]+)"', shown) == ["publish"]
    (seen,) = re.findall(r'name="seen" value="([^"]+)"', shown)
    space = stage.space("clinic")
    with pytest.raises(MedspaceError) as refused:
        space.change_offer(ASSET, publish=["size", "missing"], seen=seen)
    assert refused.value.code == "offer.loosens"
    space.change_offer(ASSET, publish=["size", "missing"], loosen=["publish"], seen=seen)
    one = space.show(ASSET)
    assert one["figures"]["persons"] == one["persons_about"] // 50 * 50
    assert one["figures"]["missing"]
    assert space.offers()[0]["publish"] == ["size", "missing"]
    space.change_offer(ASSET, publish=[])
    assert space.show(ASSET)["figures"] == figures.read(None)
    assert "publish" not in stage.nodes["clinic"].file.read_text()
