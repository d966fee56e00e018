"""A whole connector signs its log by itself, and a file keeps what it signed."""

import asyncio

from medspace.adapters.anchors import FileAnchor
from medspace.adapters.system import SystemClock
from medspace.ledger.model import CHECKPOINTS, Receipt, SignedCheckpoint
from tests.e2e.space import hospital, staged


def test_what_was_signed_is_listed_with_its_receipts_and_kept_in_the_file(tmp_path):
    with staged(tmp_path) as stage:
        node = stage.add("authority", hospital(1), more='[checkpoints]\nminutes = 5\nfile = "anchors.jsonl"')
        stage.open()
        connector = stage.nodes["authority"].connector

        async def anchored():
            shown = await connector.of("audit").checkpoints(10)
            return shown if shown and shown[0]["receipts"] else None

        (first,) = stage.run(connector.node.changes.until(anchored, 60, CHECKPOINTS.topic()))
        assert stage.space("authority").checkpoints() == [first]
        assert [receipt["anchor"] for receipt in first["receipts"]] == ["file:anchors.jsonl"]
    signed = SignedCheckpoint(f"{first['size']:016d}", first["size"], first["time"], first["note"])
    anchor = FileAnchor(node.folder / "anchors.jsonl", SystemClock())
    assert asyncio.run(anchor.verify(signed, Receipt(**first["receipts"][0])))
