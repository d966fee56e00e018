"""What is decided from all records is decided from all, however many pages they are."""

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.core.paging import PAGE, each
from tests.contract.records import CASES, NOTES, Case


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 3])
@pytest.mark.parametrize("descending", [False, True])
async def test_each_record_comes_once_in_order_also_where_many_share_a_key(count, descending):
    database = MemoryDatabase()
    records = [Case(f"{number:05d}", rank=number // 700) for number in range(count)]
    await database.write(lambda tx: [tx.insert(NOTES, record) for record in records])
    expected = sorted(records, key=lambda record: record.id, reverse=descending)
    by_id = await database.read(lambda tx: list(each(tx, NOTES, {}, descending=descending)))
    assert by_id == expected


async def test_a_key_with_ties_is_paged_through():
    database = MemoryDatabase()
    records = [Case(f"{number:05d}", peer=str(number), rank=number % 2) for number in range(3 * PAGE)]
    await database.write(lambda tx: [tx.insert(CASES, record) for record in records])
    found = await database.read(lambda tx: list(each(tx, CASES, {}, "rank", descending=True)))
    assert found == sorted(records, key=lambda record: (record.rank, record.id), reverse=True)
    odd = await database.read(lambda tx: list(each(tx, CASES, {"rank": 1})))
    assert odd == [record for record in records if record.rank]
