"""With whom a dataset is summed up under masks: shown, and changed by a verb that first says what that exposes."""

import pytest

from medspace.app.main import main
from medspace.connector.usage.conditions.numbers import keep
from medspace.connector.usage.model import Disclosed
from medspace.sdk import SpaceError
from tests.e2e.space import ASSET, hospital, staged

OTHERS = tuple(f"did:web:{name}.example" for name in "abcd")
A, B, C, D = OTHERS


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("sets")) as stage:
        stage.add("authority", hospital(1))
        stage.open()
        yield stage


@pytest.fixture
def me(stage):
    """The hospital, which was summed up in one set, and was so before in another."""
    did = stage.nodes["authority"].did
    sets = (tuple(sorted((did, A, B))),)

    def work(tx):
        keep(tx, Disclosed(ASSET, 7, sets[0], sets))

    stage.run(stage.nodes["authority"].connector.node.database.write(work))
    return did


@pytest.fixture
def said(stage, capsys):
    def say(*words):
        with pytest.raises(SystemExit) as end:
            main(["sites", *words, "--config", str(stage.nodes["authority"].file)])
        printed = capsys.readouterr()
        return int(end.value.code or 0), " ".join((printed.out + printed.err).split())

    return say


def test_what_a_change_exposes_is_said_before_it_is_made(stage, me):
    space = stage.space("authority")
    before = space.sites(ASSET)
    assert set(before["sites"]) == {me, A, B}
    found = space.set_sites(ASSET, [me, C, D])
    assert found["exposes"]["differences"] == [sorted([A, B, C, D])]
    assert found["exposes"]["given_away"] == []
    assert found["exposes"]["nearly"] == {me: sorted([A, B, C, D])}
    assert space.sites(ASSET) == before  # nothing was changed

    found = space.set_sites(ASSET, [me, A, B, C], accept=True)
    assert found["exposes"]["given_away"] == [C]
    assert set(space.sites(ASSET)["sites"]) == {me, A, B, C}
    assert space.sites(ASSET)["sets"] == before["sets"]  # nothing was summed up in it yet


def test_three_overlapping_sets_are_said_to_give_one_hospital_away(stage, me):
    both = (tuple(sorted((me, A, B))), tuple(sorted((me, C, D))))
    write = stage.nodes["authority"].connector.node.database.write
    stage.run(write(lambda tx: keep(tx, Disclosed(ASSET, 7, both[0], both))))
    found = stage.space("authority").set_sites(ASSET, [me, *OTHERS])
    assert all(len(one) > 1 for one in found["exposes"]["differences"])
    assert found["exposes"]["given_away"] == [me]


@pytest.mark.parametrize(
    ("sites", "code"),
    [
        (lambda me: [me, A], "sites.wish"),
        (lambda _: [A, B, C], "sites.wish"),
        (lambda me: [me, A, "nobody"], "did.invalid"),
    ],
)
def test_a_set_in_which_nothing_can_be_summed_up_is_refused(stage, me, sites, code):
    with pytest.raises(SpaceError) as refusal:
        stage.space("authority").set_sites(ASSET, sites(me), accept=True)
    assert refusal.value.code == code
    with pytest.raises(SpaceError):
        stage.space("authority").set_sites("no-such", [me, A, B])


def test_the_verb_shows_warns_and_changes(stage, me, said):
    code, text = said(ASSET)
    assert (code, A in text, C in text) == (0, True, False)
    code, text = said(ASSET, "--with", me, "--with", A, "--with", B, "--with", C)
    assert (code, "Nothing was changed" in text) == (0, True)
    assert f"It gives away the numbers of {C}" in text
    code, text = said(ASSET, "--with", me, "--with", C, "--with", D, "--accept", "--lang", "en")
    assert (code, "Once others are summed up" in text, "Nothing was changed" in text) == (0, True, False)
    assert set(stage.space("authority").sites(ASSET)["sites"]) == {me, C, D}
    assert "医院" in said(ASSET, "--lang", "zh")[1]
    assert said("no-such")[0] == 3


def test_before_the_first_run_nobody_is_named(stage, me, said):
    write = stage.nodes["authority"].connector.node.database.write
    stage.run(write(lambda tx: keep(tx, Disclosed(ASSET))))
    assert "has not been summed under masks yet" in said(ASSET)[1]
