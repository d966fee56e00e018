"""A record that an older version wrote, without fields that have a default since, is changed like every other."""

from dataclasses import dataclass, replace

import pytest
from sqlalchemy import create_engine, text

from medspace.adapters.sql import create, open_database
from medspace.connector.usage.model import LABELS, Labelled
from medspace.core.errors import StaleRecordError
from medspace.core.store import Collection
from medspace.ledger.model import CHECKPOINTS, Receipt, SignedCheckpoint
from medspace.runs.model import RUNS, Run, RunState


@dataclass(frozen=True, slots=True)
class Thing:
    id: str
    kind: str
    size: int = 7  # not there in the older version


THINGS = Collection("things", Thing, ("kind",))


@pytest.fixture
async def opened(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, (THINGS, RUNS))
    database = open_database(url, (THINGS, RUNS))
    yield database, url
    await database.close()


def write_as_before(url, table, old):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET body = :body"), {"body": old})
    engine.dispose()


async def test_it_is_read_with_the_defaults_and_replaced(opened):
    database, url = opened
    await database.write(lambda tx: tx.insert(THINGS, Thing("a", "x")))
    write_as_before(url, "things", '{"id":"a","kind":"x"}')
    seen = await database.read(lambda tx: tx.get(THINGS, "a"))
    assert seen == Thing("a", "x", 7)
    await database.write(lambda tx: tx.replace(THINGS, seen, Thing("a", "y", 8)))
    assert await database.read(lambda tx: tx.get(THINGS, "a")) == Thing("a", "y", 8)


async def test_it_is_deleted(opened):
    database, url = opened
    await database.write(lambda tx: tx.insert(THINGS, Thing("a", "x")))
    write_as_before(url, "things", '{"id":"a","kind":"x"}')
    await database.write(lambda tx: tx.delete(THINGS, Thing("a", "x", 7)))
    assert await database.read(lambda tx: tx.get(THINGS, "a")) is None


@pytest.mark.parametrize("kept", ['{"id":"a","kind":"z"}', '{"id":"a","kind":"x","size":8}'])
async def test_what_was_changed_meanwhile_is_stale_all_the_same(opened, kept):
    database, url = opened
    await database.write(lambda tx: tx.insert(THINGS, Thing("a", "x")))
    write_as_before(url, "things", kept)
    for change in (
        lambda tx: tx.replace(THINGS, Thing("a", "x"), Thing("a", "y")),
        lambda tx: tx.delete(THINGS, Thing("a", "x")),
    ):
        with pytest.raises(StaleRecordError):
            await database.write(change)


OLD_RUN = (
    '{"created":"2026-01-01T00:00:00.000Z","ended":null,"failure":null,"faults":[{"code":"learning.site_refused",'
    '"facts":{"reason":"no","site":"did:web:a"},"round":1,"sentence":"The site {site} refuses: {reason}.",'
    '"site":"did:web:a"}],"id":"r","kind":"medspace:train","model":null,"protection":"coordinator-sees-sums",'
    '"round":3,"seats":[{"agreement":"g","min_cohort":1,"min_sites":1,"site":"did:web:a"}],"settled":"no",'
    '"started":null,"state":"running","task":{},"task_digest":"d"}'
)


async def test_a_run_of_the_last_version_goes_on(opened):
    database, url = opened
    run = Run("r", RunState.RUNNING, "2026-01-01T00:00:00.000Z", {}, "d", "medspace:train", ())
    await database.write(lambda tx: tx.insert(RUNS, run))
    write_as_before(url, "learning_runs", OLD_RUN)
    seen = await database.read(lambda tx: tx.get(RUNS, "r"))
    assert (seen.without_missing, seen.patience, str(seen.faults[0].reason)) == (
        False,
        0.0,
        "The site did:web:a refuses: no.",
    )
    await database.write(lambda tx: tx.replace(RUNS, seen, run))
    assert await database.read(lambda tx: tx.get(RUNS, "r")) == run


OLD_LABEL = '{"id":"hearts","label":{"kinds":[],"purposes":[],"regions":[],"sensitivity":"non-public"}}'
OLD_CHECKPOINT = '{"id":"0000000000000001","note":"n","size":1,"time":"2026-01-01T00:00:00.000Z"}'


@pytest.mark.parametrize(
    ("collection", "record", "body", "change"),
    [
        (LABELS, Labelled("hearts", {}), OLD_LABEL, {"configured": {"kinds": ["medspace:train"]}}),
        (
            CHECKPOINTS,
            SignedCheckpoint("0000000000000001", 1, "2026-01-01T00:00:00.000Z", "n"),
            OLD_CHECKPOINT,
            {"receipts": (Receipt("file:a", "2026-01-01T00:00:00.000Z", "sha256:0"),)},
        ),
    ],
    ids=["label", "checkpoint"],
)
async def test_a_label_and_a_checkpoint_of_the_last_version_are_changed_like_others(
    tmp_path, collection, record, body, change
):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, (collection,))
    database = open_database(url, (collection,))
    await database.write(lambda tx: tx.insert(collection, record))
    write_as_before(url, collection.name, body)
    seen = await database.read(lambda tx: tx.get(collection, record.id))
    changed = replace(seen, **change)
    await database.write(lambda tx: tx.replace(collection, seen, changed))
    assert await database.read(lambda tx: tx.get(collection, record.id)) == changed
    await database.close()
