"""Lists of more than a thousand: all pages come, what is shown is as much as was asked for, and the rest is said."""

import json
from dataclasses import replace

import pytest

from medspace.app.main import main
from medspace.connector.model import AGREEMENTS, NEGOTIATIONS, TRANSFERS, Role, Transfer, TransferState
from medspace.ledger.model import CHECKPOINTS, SignedCheckpoint
from tests.e2e.space import hospital, staged

MANY = 1_050


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("many")) as stage:
        stage.add("authority", hospital(1))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agree("user", "authority")
        stage.run(fill(stage.nodes["authority"].connector.node.database))
        yield stage


async def fill(database):
    """Many more of what there is one of."""

    def work(tx):
        (agreement,), (negotiation,) = tx.find(AGREEMENTS), tx.find(NEGOTIATIONS)
        stamp = agreement.finalized
        for number in range(MANY - 1):
            name = f"urn:many:{number:05d}"
            tx.insert(AGREEMENTS, replace(agreement, id=name, negotiation=name))
            tx.insert(NEGOTIATIONS, replace(negotiation, id=name, peer_pid=name))
        for number in range(MANY):
            use = f"urn:use:{number:05d}"
            tx.insert(TRANSFERS, transfer(use, agreement))
            size = 1_000_000 + number
            tx.insert(CHECKPOINTS, SignedCheckpoint(f"{size:016d}", size, stamp, f"note {number}"))

    await database.write(work)


def transfer(use, agreement):
    return Transfer(
        id=use,
        role=Role.PROVIDER,
        state=TransferState.COMPLETED,
        counterparty=agreement.consumer,
        address="https://user.example",
        peer_pid=use,
        created=agreement.finalized,
        updated=agreement.finalized,
        agreement=agreement.id,
        dataset=agreement.dataset,
        format="medspace:train",
    )


@pytest.mark.parametrize("verb", ["negotiations", "agreements", "transfers", "uses", "checkpoints"])
def test_a_program_gets_each_record_once(stage, verb):
    found = getattr(stage.space("authority"), verb)()
    names = [json.dumps(one.get("id") or one.get("agreement") or one["size"]) for one in found]
    assert len(names) == len(set(names)) >= MANY
    few = getattr(stage.space("authority"), verb)(most=130)
    assert few == found[:130]


@pytest.mark.parametrize("verb", ["negotiations", "agreements"])
def test_a_person_is_shown_the_newest_and_told_that_there_are_more(stage, verb, capsys):
    def said(*words):
        with pytest.raises(SystemExit) as end:
            main([verb, "--config", str(stage.nodes["authority"].file), *words])
        assert not end.value.code
        return capsys.readouterr().out

    shown = json.loads(said("--json", "--most", "7"))
    assert (len(shown[verb]), shown["more"]) == (7, True)
    shown = json.loads(said("--json", "--limit", str(MANY)))
    assert (len(shown[verb]), shown["more"]) == (MANY, False)
    assert "There are more than the 3 shown here" in said("--most", "3")


def test_each_list_has_pages_that_meet(stage):
    space = stage.space("authority")
    for where, name in (
        ("/members", "members"),
        ("/catalog", "datasets"),
        ("/labels", "labels"),
        ("/uses", "uses"),
        ("/audit/checkpoints", "checkpoints"),
        ("/audit/entries", "entries"),
    ):
        whole, after, met = space._get(where, limit=5)[name], "", []
        while len(met) < len(whole):
            page = space._get(where, limit=1, **({"after": after} if after else {}))
            met, after = met + page[name], page["next"]
        assert met == whole, where
