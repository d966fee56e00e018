"""What every database adapter does: one class, run on memory, SQLite and PostgreSQL."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.sql import create, open_database
from medspace.core.errors import DuplicateRecordError, StaleRecordError, StorageError
from medspace.core.store import LOG
from medspace.ledger.merkle import EMPTY_ROOT, Frontier, Tree, fold, inclusion_nodes, leaf_hash, span_nodes
from tests.contract.records import CASES, COLLECTIONS, NOTES, Case, Phase

WORDS = ["", "A", "Z", "a", "a b", "ab", "é", "中", "\U0001f600", "\uffff", "%", "_", "'", '"', "\\", "\n"]


def inserter(*records):
    def work(tx):
        for record in records:
            tx.insert(CASES, record)

    return work


def appender(*entries):
    return lambda tx: [tx.log.append(entry) for entry in entries]


def ids(**search):
    return lambda tx: [record.id for record in tx.find(CASES, **search)]


def log(tx):
    return list(tx.log.entries(0, tx.log.size()))


def root(tx):
    return fold(tx.log.hashes(span_nodes(0, tx.log.size())))


def subtrees(*nodes):
    return lambda tx: tx.log.hashes(nodes)


async def pages_of(database, order_by, *, descending):
    found, after = [], None
    while True:
        search = {"order_by": order_by, "after": after, "descending": descending, "limit": 5}
        page = await database.read(finder(**search))
        found += page
        if len(page) < 5:
            return found
        after = getattr(page[-1], order_by)


def heard(database):
    """A queue of what the database tells from now on."""
    told = asyncio.Queue()
    database.on_commit(told.put_nowait)
    return told


def finder(**search):
    return lambda tx: tx.find(CASES, **search)


class DatabaseContract:
    """The port `core.store.Database`; subclasses give the fixture `database`."""

    # --- records

    async def test_a_record_comes_back_as_it_was(self, database):
        record = Case(
            "a", Phase.DONE, "did:web:x", 3, None, message={"b": [1, {"c": None}], "a": "é\0"}, weights=(0.1,)
        )
        await database.write(inserter(record))
        assert await database.read(lambda tx: tx.get(CASES, "a")) == record

    async def test_an_unknown_identity_is_none(self, database):
        assert await database.read(lambda tx: tx.get(CASES, "nobody")) is None

    async def test_collections_are_apart(self, database):
        await database.write(inserter(Case("a")))
        assert await database.read(lambda tx: tx.get(NOTES, "a")) is None

    async def test_a_unit_sees_its_own_changes(self, database):
        def work(tx):
            tx.insert(CASES, Case("a"))
            tx.replace(CASES, Case("a"), Case("a", rank=2))
            found = tx.find(CASES, where={"rank": 2})
            tx.delete(CASES, found[0])
            return found, tx.get(CASES, "a")

        assert await database.write(work) == ([Case("a", rank=2)], None)

    async def test_the_same_identity_is_a_duplicate(self, database):
        await database.write(inserter(Case("a")))
        with pytest.raises(DuplicateRecordError) as raised:
            await database.write(inserter(Case("a", rank=9)))
        assert raised.value.facts == {"id": "a"}
        assert await database.read(lambda tx: tx.get(CASES, "a")) == Case("a")

    async def test_unique_keys_do_not_repeat(self, database):
        await database.write(inserter(Case("a", peer="p")))
        with pytest.raises(DuplicateRecordError):
            await database.write(inserter(Case("b", peer="p")))
        await database.write(inserter(Case("c", Phase.DONE, peer="p")))
        with pytest.raises(DuplicateRecordError):
            await database.write(lambda tx: tx.replace(CASES, Case("a", peer="p"), Case("a", Phase.DONE, peer="p")))
        assert await database.read(ids()) == ["a", "c"]

    async def test_none_is_never_a_duplicate(self, database):
        await database.write(inserter(Case("a"), Case("b")))
        await database.write(lambda tx: tx.replace(CASES, Case("a"), Case("a", Phase.DONE)))
        assert await database.read(ids()) == ["a", "b"]

    async def test_a_unit_goes_on_after_a_duplicate_or_a_stale_record(self, database):
        await database.write(inserter(Case("a", peer="p"), Case("b", peer="q")))

        def work(tx):
            with pytest.raises(DuplicateRecordError):
                tx.insert(CASES, Case("a"))
            with pytest.raises(DuplicateRecordError):
                tx.insert(CASES, Case("c", peer="p"))
            with pytest.raises(DuplicateRecordError):
                tx.replace(CASES, Case("b", peer="q"), Case("b", peer="p"))
            with pytest.raises(StaleRecordError):
                tx.replace(CASES, Case("b", rank=7), Case("b", peer="p"))
            tx.insert(CASES, Case("c"))
            return tx.log.append(b"went on")

        assert await database.write(work) == 0
        assert await database.read(ids()) == ["a", "b", "c"]

    async def test_stale_records_are_neither_replaced_nor_deleted(self, database):
        await database.write(inserter(Case("a", rank=1)))
        for work in (
            lambda tx: tx.replace(CASES, Case("a"), Case("a", rank=2)),
            lambda tx: tx.replace(CASES, Case("b"), Case("b", rank=2)),
            lambda tx: tx.replace(CASES, Case("a", rank=1), Case("b", rank=1)),
            lambda tx: tx.delete(CASES, Case("a")),
            lambda tx: tx.delete(CASES, Case("b")),
        ):
            with pytest.raises(StaleRecordError):
                await database.write(work)
        assert await database.read(lambda tx: tx.find(CASES)) == [Case("a", rank=1)]

    async def test_replaced_keys_are_found_anew(self, database):
        await database.write(inserter(Case("a", peer="p")))
        await database.write(lambda tx: tx.replace(CASES, Case("a", peer="p"), Case("a", rank=5)))
        assert await database.read(ids(where={"peer": "p"})) == []
        assert await database.read(ids(where={"peer": None, "rank": 5})) == ["a"]

    async def test_a_record_that_cannot_be_read_back_is_refused(self, database):
        with pytest.raises(StorageError) as raised:
            await database.write(inserter(Case("a", weights=(float("nan"),))))
        assert raised.value.code == "storage.failed"
        assert await database.read(ids()) == []

    @pytest.mark.parametrize("key", ["a\0b", "\ud800", 2**63, -(2**63) - 1])
    async def test_keys_that_no_database_holds_are_refused_and_never_found(self, database, key):
        record = Case(key) if isinstance(key, str) else Case("a", rank=key)
        name = "id" if isinstance(key, str) else "rank"
        await database.write(inserter(Case("b")))
        with pytest.raises(StorageError):
            await database.write(inserter(record))
        assert await database.read(ids(where={name: key})) == []
        assert await database.read(lambda tx: tx.get(CASES, str(key))) is None
        assert await database.read(ids()) == ["b"]

    @pytest.mark.parametrize("old", [Case("a\0b"), Case("a", peer="p\0"), Case("a", weights=(float("nan"),))])
    async def test_what_can_never_have_been_stored_is_stale(self, database, old):
        await database.write(inserter(Case("a")))
        for work in (
            lambda tx: tx.replace(CASES, old, Case(old.id.partition("\0")[0])),
            lambda tx: tx.delete(CASES, old),
        ):
            with pytest.raises(StaleRecordError):
                await database.write(work)
        assert await database.read(ids()) == ["a"]

    # --- finding

    async def test_text_sorts_by_code_point(self, database):
        await database.write(inserter(*(Case(word) for word in WORDS)))
        assert await database.read(ids()) == sorted(WORDS)
        assert await database.read(ids(descending=True)) == sorted(WORDS, reverse=True)
        assert await database.read(ids(after="a", limit=3)) == sorted(WORDS)[sorted(WORDS).index("a") + 1 :][:3]

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("order_by", ["id", "due"])
    async def test_pages_have_no_gaps_and_no_repeats(self, database, order_by, descending):
        await database.write(inserter(*(Case(f"{i * 7 % 23:02}", due=i or None) for i in range(23))))
        pages = await pages_of(database, order_by, descending=descending)
        keys = [(record.due or 0) if order_by == "due" else record.id for record in pages]
        assert keys == sorted(keys, reverse=descending)
        assert len(set(keys)) == 23

    @pytest.mark.parametrize("descending", [False, True])
    async def test_pages_by_a_key_with_ties_have_no_gaps_and_no_repeats(self, database, descending):
        await database.write(inserter(*(Case(f"{i * 7 % 23:02}", rank=i // 6) for i in range(23))))
        found, after, tie = [], None, None
        while True:
            search = {"order_by": "rank", "after": after, "after_id": tie, "descending": descending, "limit": 4}
            page = await database.read(finder(**search))
            found += [(record.rank, record.id) for record in page]
            if len(page) < 4:
                break
            after, tie = found[-1]
        assert found == sorted(found, reverse=descending)
        assert len(set(found)) == 23

    async def test_records_are_counted_up_to_a_bound(self, database):
        await database.write(inserter(*(Case(f"x/{i}", rank=i % 2, due=i or None) for i in range(9))))
        assert await database.read(lambda tx: tx.count(CASES, {"owner": "x"}, 100)) == 9
        assert await database.read(lambda tx: tx.count(CASES, {"owner": "x", "rank": 1}, 100)) == 4
        assert await database.read(lambda tx: tx.count(CASES, {"due": None}, 100)) == 1
        assert await database.read(lambda tx: tx.count(CASES, {"owner": "x"}, 5)) == 5
        assert await database.read(lambda tx: tx.count(CASES, {"owner": "y"}, 5)) == 0
        assert await database.read(lambda tx: tx.count(CASES, {"owner": "x"}, 0)) == 0
        assert await database.read(lambda tx: tx.count(CASES, {"owner": "a\0b"}, 5)) == 0

    async def test_none_comes_first_and_ties_go_by_identity(self, database):
        await database.write(inserter(Case("c", due=1), Case("b"), Case("a", due=1), Case("d")))
        assert await database.read(ids(order_by="due")) == ["b", "d", "a", "c"]
        assert await database.read(ids(order_by="due", descending=True)) == ["c", "a", "d", "b"]
        assert await database.read(ids(order_by="due", descending=True, after=2)) == ["c", "a", "d", "b"]
        assert await database.read(ids(order_by="due", after=0)) == ["a", "c"]

    async def test_all_of_where_must_hold(self, database):
        await database.write(inserter(Case("x/1", rank=1), Case("x/2", Phase.DONE, rank=1), Case("y/1", rank=1)))
        assert await database.read(ids(where={"owner": "x", "phase": Phase.ASKED})) == ["x/1"]
        assert await database.read(ids(where={"owner": "x", "phase": "done", "rank": 1})) == ["x/2"]
        assert await database.read(ids(where={"id": "y/1"})) == ["y/1"]
        assert await database.read(ids(where={"owner": "z"})) == []

    async def test_limits(self, database):
        await database.write(inserter(*(Case(f"{i:03}") for i in range(120))))
        assert len(await database.read(ids())) == 100
        assert len(await database.read(ids(limit=200))) == 120
        assert await database.read(ids(limit=0)) == []

    @pytest.mark.parametrize("search", [{"where": {"message": 1}}, {"order_by": "weights"}])
    async def test_only_keys_can_be_searched(self, database, search):
        with pytest.raises(ValueError, match="no key"):
            await database.read(ids(**search))

    # --- all or nothing

    async def test_a_failing_unit_leaves_nothing(self, database):
        await database.write(inserter(Case("a")))
        await database.write(appender(b"0"))

        def work(tx):
            tx.insert(CASES, Case("b"))
            tx.replace(CASES, Case("a"), Case("a", rank=1))
            tx.delete(CASES, Case("a", rank=1))
            tx.log.append(b"lost")
            raise LookupError("on purpose")

        with pytest.raises(LookupError, match="on purpose"):
            await database.write(work)
        assert await database.read(lambda tx: (tx.find(CASES), log(tx))) == ([Case("a")], [b"0"])

    async def test_a_failing_unit_does_not_harm_its_neighbours(self, database):
        def work(number):
            def unit(tx):
                tx.insert(CASES, Case(f"{number:02}"))
                tx.log.append(b"%d" % number)
                if number % 3 == 0:
                    raise LookupError(number)
                return number

            return unit

        done = await asyncio.gather(*(database.write(work(i)) for i in range(30)), return_exceptions=True)
        assert [isinstance(result, LookupError) for result in done] == [i % 3 == 0 for i in range(30)]
        kept = [i for i in range(30) if i % 3]
        assert [result for result in done if isinstance(result, int)] == kept
        assert await database.read(ids()) == [f"{i:02}" for i in kept]
        assert await database.read(log) == [b"%d" % i for i in kept]
        assert await database.read(root) == Tree(leaf_hash(b"%d" % i) for i in kept).root(len(kept))

    async def test_a_view_cannot_change_anything(self, database):
        await database.write(inserter(Case("a")))
        for change in (
            lambda tx: tx.insert(CASES, Case("b")),
            lambda tx: tx.replace(CASES, Case("a"), Case("a", rank=1)),
            lambda tx: tx.delete(CASES, Case("a")),
            lambda tx: tx.log.append(b"x"),
        ):
            with pytest.raises(StorageError, match="a view is read-only"):
                await database.read(change)
        assert await database.read(lambda tx: (tx.find(CASES), log(tx))) == ([Case("a")], [])

    async def test_stop_iteration_comes_back_as_an_error(self, database):
        for run in (database.write, database.read):
            with pytest.raises(RuntimeError, match="StopIteration"):
                await run(lambda tx: next(iter(())))

    # --- races

    async def test_compare_and_swap_lets_one_of_many_through(self, database):
        await database.write(inserter(Case("a")))

        def swap(number):
            return lambda tx: tx.replace(CASES, Case("a"), Case("a", rank=number))

        done = await asyncio.gather(*(database.write(swap(i)) for i in range(1, 21)), return_exceptions=True)
        winners = [number for number, result in enumerate(done, 1) if result is None]
        assert len(winners) == 1
        assert sum(isinstance(result, StaleRecordError) for result in done) == 19
        assert await database.read(lambda tx: tx.get(CASES, "a").rank) == winners[0]

    async def test_a_hundred_concurrent_units_are_all_kept_one_after_the_other(self, database):
        await database.write(inserter(Case("a")))

        def work(tx):
            old = tx.get(CASES, "a")
            tx.replace(CASES, old, replace(old, rank=old.rank + 1))
            return old.rank, tx.log.append(b"%d" % old.rank)

        done = await asyncio.gather(*(database.write(work) for _ in range(100)))
        assert done == [(i, i) for i in range(100)]
        assert await database.read(lambda tx: tx.get(CASES, "a").rank) == 100
        assert await database.read(log) == [b"%d" % i for i in range(100)]

    # --- what a commit touched

    async def test_what_a_commit_touched_is_told_once_it_is_kept(self, database):
        told = heard(database)
        await database.write(lambda tx: [inserter(Case("a"), Case("b"))(tx), appender(b"entry")(tx)])
        assert await told.get() == {CASES.topic("a"), CASES.topic("b"), LOG}
        await database.write(lambda tx: tx.replace(CASES, Case("a"), Case("a", rank=1)))
        assert await told.get() == {CASES.topic("a")}
        await database.write(lambda tx: tx.delete(CASES, Case("b")))
        assert await told.get() == {CASES.topic("b")}
        assert told.empty()

    async def test_what_raised_or_touched_nothing_is_not_told(self, database):
        await database.write(inserter(Case("a")))
        told = heard(database)

        def work(tx):
            tx.insert(NOTES, Case("n"))
            tx.log.append(b"entry")
            tx.insert(CASES, Case("a"))

        with pytest.raises(DuplicateRecordError):
            await database.write(work)
        await database.write(lambda tx: (tx.get(CASES, "a"), tx.find(CASES), tx.count(CASES, {}, 1), tx.log.size()))
        await database.read(finder())
        await database.write(appender(b"entry"))
        assert await told.get() == {LOG}
        assert told.empty()

    async def test_what_was_kept_is_told_also_where_who_wrote_it_does_not_wait_any_more(self, database):
        told = heard(database)
        writing = asyncio.create_task(database.write(inserter(Case("a"))))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await database.write(inserter(Case("b")))
        seen = set()
        while CASES.topic("b") not in seen:
            seen |= await told.get()
        kept = await database.read(finder())
        assert seen == {CASES.topic(case.id) for case in kept}

    # --- the log

    async def test_an_empty_log(self, database):
        assert await database.read(lambda tx: (tx.log.size(), log(tx), root(tx))) == (0, [], EMPTY_ROOT)

    async def test_entries_are_counted_from_zero(self, database):
        assert await database.write(appender(b"a", b"", b"\0\xff")) == [0, 1, 2]
        assert await database.write(appender(b"d")) == [3]
        assert await database.read(lambda tx: list(tx.log.entries(1, 3))) == [b"", b"\0\xff"]
        assert await database.read(lambda tx: list(tx.log.entries(2, 99))) == [b"\0\xff", b"d"]
        assert await database.read(lambda tx: list(tx.log.entries(3, 1))) == []

    async def test_a_unit_sees_the_log_with_its_own_entries(self, database):
        await database.write(appender(*(b"%d" % i for i in range(5))))

        def work(tx):
            tx.log.append(b"5")
            tx.log.append(b"6")
            return tx.log.size(), log(tx), list(tx.log.entries(4, 6)), list(tx.log.entries(6, 7)), root(tx)

        size, entries, across, own, seen = await database.write(work)
        assert (size, across, own) == (7, [b"4", b"5"], [b"6"])
        assert entries == [b"%d" % i for i in range(7)]
        assert seen == Tree(map(leaf_hash, entries)).root(7)

    async def test_a_subtree_that_is_not_complete_has_no_hash(self, database):
        await database.write(appender(*(b"%d" % i for i in range(5))))
        for node in ((0, 5), (1, 2), (2, 1), (3, 0), (60, 0)):
            for run in (database.read, database.write):
                with pytest.raises(KeyError):
                    await run(subtrees((0, 0), node))

    async def test_every_proof_can_be_made_from_the_stored_hashes(self, database):
        sizes = [1, 2, 3, 5, 8, 13]
        for size in sizes:
            await database.write(appender(*(b"%d-%d" % (size, i) for i in range(size))))
        entries = await database.read(log)
        tree = Tree(map(leaf_hash, entries))
        assert await database.read(root) == tree.root(len(entries))
        for index in range(len(entries)):
            nodes = inclusion_nodes(index, len(entries))
            assert await database.read(subtrees(*nodes)) == tree.hashes(nodes)

    async def test_hashes_come_in_the_order_asked_and_as_often(self, database):
        await database.write(appender(b"a", b"b"))
        hashes = await database.read(subtrees((0, 1), (1, 0), (0, 0), (0, 1)))
        assert hashes[0] == hashes[3] == leaf_hash(b"b")
        assert hashes[2] == leaf_hash(b"a")
        assert hashes[1] == fold([hashes[2], hashes[0]])

    async def test_close_can_be_called_twice(self, database):
        await database.close()
        await database.close()


class TestMemory(DatabaseContract):
    @pytest.fixture
    def database(self):
        return MemoryDatabase()


class SqlContract(DatabaseContract):
    """What is kept is there after the connector was closed and opened again; subclasses give `url`."""

    @pytest.fixture
    async def database(self, url):
        async with opened(url) as database:
            yield database

    async def test_what_was_kept_is_there_after_a_restart(self, database, url):
        await database.write(lambda tx: [inserter(Case("a", rank=4))(tx), appender(b"a", b"b", b"c")(tx)])
        before = await database.read(root)
        await database.close()
        async with reopened(url) as again:
            assert await again.read(lambda tx: tx.find(CASES)) == [Case("a", rank=4)]
            assert await again.write(appender(b"d")) == [3]
            frontier = Frontier()
            for entry in (b"a", b"b", b"c"):
                frontier.append(leaf_hash(entry))
            assert before == frontier.root()
            frontier.append(leaf_hash(b"d"))
            assert await again.read(root) == frontier.root()

    async def test_close_finishes_what_waits(self, database, url):
        waiting = [asyncio.create_task(database.write(appender(b"%d" % i))) for i in range(50)]
        await asyncio.sleep(0)
        await database.close()
        assert [index for (index,) in await asyncio.gather(*waiting)] == list(range(50))
        async with reopened(url) as again:
            assert await again.read(log) == [b"%d" % i for i in range(50)]

    async def test_a_closed_database_says_so(self, database):
        await database.close()
        for run in (database.write, database.read):
            with pytest.raises(StorageError, match="it is closed"):
                await run(log)

    async def test_a_cancelled_caller_harms_nobody(self, database):
        tasks = [asyncio.create_task(database.write(appender(b"%d" % i))) for i in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        entries = await database.read(log)
        assert all(entries[index] == b"%d" % number for number, (index,) in list(enumerate(done))[1::2])

    async def test_reads_do_not_wait_for_writes(self, database):
        await database.write(inserter(Case("a")))
        views = [database.read(lambda tx: tx.get(CASES, "a").id) for _ in range(50)]
        writes = [database.write(appender(b"%d" % i)) for i in range(50)]
        assert (await asyncio.gather(*views, *writes))[:50] == ["a"] * 50

    async def test_a_view_sees_one_state(self, database):
        await database.write(appender(b"0"))
        loop = asyncio.get_running_loop()

        def view(tx):
            before = tx.log.size(), len(tx.find(CASES))
            asyncio.run_coroutine_threadsafe(
                database.write(lambda tx: [inserter(Case("a"))(tx), appender(b"1")(tx)]), loop
            ).result()
            return before, (tx.log.size(), len(tx.find(CASES)), list(tx.log.entries(0, 9)))

        assert await database.read(view) == ((1, 0), (1, 0, [b"0"]))
        assert await database.read(lambda tx: tx.log.size()) == 2


class TestSqlite(SqlContract):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/connector.db"


class TestPostgres(SqlContract):
    @pytest.fixture
    def url(self, postgres):
        return postgres()


@asynccontextmanager
async def opened(url):
    create(url, COLLECTIONS)
    async with reopened(url) as database:
        yield database


@asynccontextmanager
async def reopened(url):
    async with open_database(url, COLLECTIONS) as database:
        yield database
