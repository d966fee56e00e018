"""Offers that are being drafted: where they are kept, for how long, and how their bars are drawn."""

import asyncio
import logging
import os
import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from medspace.adapters.duckdb.drafting import draft
from medspace.adapters.system import SystemRandomness
from medspace.app.features.offers import keeping
from medspace.app.features.offers.keeping import (
    DRAFTS,
    LIFE,
    MOST_DRAFTS,
    MOST_DRAFTS_EACH,
    TABLES,
    ChosenTerms,
    DraftFolder,
    OfferDraftLargeError,
    OfferDraftUnknownError,
    SaidOfTable,
    UploadRefusedError,
    shown_name,
)
from medspace.app.features.offers.looking import MOST_WAITING, LooksBusyError, TableLooks, known, options_of
from medspace.app.features.offers.plots import bars_of
from medspace.core.clock import stamp

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path):
    return DraftFolder(tmp_path, SystemRandomness())


def begun(kept, by="actor:a", now=NOW, name="Registry 2026.csv"):
    made = kept.begun(name, by, now)
    with kept.create(made) as file:
        file.write(b"rows")
    return made


def test_a_draft_is_kept_as_it_was_said(kept):
    made = replace(
        begun(kept),
        said=SaidOfTable("id", leave_out=("x",), columns={"a": {"unit": "kg"}}, codes={"b": {"1": "one"}}),
        terms=ChosenTerms(purposes=("p",), count=0),
    )
    kept.keep(made)
    assert kept.find(made.id) == made
    assert [one.id for one in kept.all()] == [made.id]
    assert made.file.endswith("/Registry-2026.csv")


@pytest.mark.parametrize("pid", ["", "..", "x" * 32, "0" * 32, "0" * 32 + "\n"])
def test_what_is_no_draft_is_none(kept, pid):
    begun(kept)
    with pytest.raises(OfferDraftUnknownError):
        kept.find(pid)


def test_drafts_are_removed_after_a_day_with_what_nobody_can_read(kept, tmp_path):
    old, young = begun(kept, now=NOW - LIFE - timedelta(seconds=1)), begun(kept)
    broken, making = tmp_path / DRAFTS / ("0" * 32), tmp_path / DRAFTS / ("1" * 32)
    for folder, age in ((broken, LIFE + timedelta(hours=1)), (making, timedelta(0))):
        folder.mkdir()
        (folder / "about.json").write_text("{")
        os.utime(folder, times=((NOW - age).timestamp(),) * 2)
    kept.sweep(NOW)
    assert {one.name for one in (tmp_path / DRAFTS).iterdir()} == {young.id, making.name}
    assert old.id not in {one.id for one in kept.all()}
    DraftFolder(tmp_path / "nothing", SystemRandomness()).sweep(NOW)


def test_a_folder_that_vanishes_or_cannot_be_looked_at_hinders_no_sweep(kept, tmp_path, monkeypatch):
    old = begun(kept, now=NOW - LIFE - timedelta(seconds=1))
    for number in range(3):
        (tmp_path / DRAFTS / f"{number}").mkdir()
    monkeypatch.setattr(keeping.Path, "is_symlink", lambda _: False)
    stat = keeping.Path.stat
    monkeypatch.setattr(keeping.Path, "stat", lambda path, **_: stat(path / "gone" if len(path.name) == 1 else path))
    kept.sweep(NOW)
    assert {one.name for one in (tmp_path / DRAFTS).iterdir()} == {"0", "1", "2"}
    assert kept.all() == []
    assert not (tmp_path / DRAFTS / old.id).exists()


def test_a_sweep_that_fails_is_logged_and_tried_again(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "medspace")
    swept, times = [], []

    def sweep(_, now):
        swept.append(now)
        if len(swept) == 1:
            raise PermissionError(13, "denied")

    async def sleep(_):
        times.append(1)
        if len(times) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(DraftFolder, "sweep", sweep)
    monkeypatch.setattr(keeping.asyncio, "sleep", sleep)
    config = SimpleNamespace(file="medspace.toml", path=lambda name: tmp_path / name)
    clock = SimpleNamespace(now=lambda: NOW)
    node = SimpleNamespace(config=config, randomness=SystemRandomness(), clock=clock, did="did:web:a")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keeping.sweeping(node))
    assert len(swept) == 2
    assert [one.getMessage() for one in caplog.records] == ["offers.not_swept"]


def test_no_more_is_kept_of_a_draft_than_is_read_again(kept):
    made = begun(kept)
    with pytest.raises(OfferDraftLargeError):
        kept.keep(replace(made, said=SaidOfTable(codes={"a": {"1": "x" * (1 << 20)}})))
    assert kept.find(made.id) == made


def test_drafts_that_cannot_be_read_take_room(kept, tmp_path):
    for number in range(MOST_DRAFTS):
        (tmp_path / DRAFTS / f"{number:032x}").mkdir(parents=True)
        os.utime(tmp_path / DRAFTS / f"{number:032x}", times=(NOW.timestamp(),) * 2)
    with pytest.raises(UploadRefusedError):
        begun(kept)


def test_what_is_said_of_columns_and_codes_that_are_not_there_is_dropped(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("id,sex,age\n" + "".join(f"p{n},{'fm'[n % 2]},{20 + n}\n" for n in range(60)))
    said = SaidOfTable(
        "id",
        leave_out=("age", "age"),
        columns={"age": {"unit": "a"}},
        codes={"sex": {"f": "female", "x": "nobody"}, "age": {"1": "one"}, "none": {"1": "one"}},
    )
    drafted = draft(file, options_of(said))
    extra = replace(said, leave_out=(*said.leave_out, "none"), columns={**said.columns, "none": {"unit": "kg"}})
    assert known(extra, drafted) == replace(said, leave_out=("age",), codes={"sex": {"f": "female"}})


def test_drafts_are_few(kept):
    for actor in range(MOST_DRAFTS // MOST_DRAFTS_EACH):
        for _ in range(MOST_DRAFTS_EACH):
            begun(kept, by=f"actor:{actor}")
        with pytest.raises(UploadRefusedError):
            begun(kept, by=f"actor:{actor}")
    with pytest.raises(UploadRefusedError):
        begun(kept, by="actor:other")


def test_a_file_is_put_where_it_stays_and_taken_back(tmp_path):
    offered = set()
    kept = DraftFolder(tmp_path, SystemRandomness(), lambda: offered)
    made = begun(kept)
    first, second, left = (kept.place(made, "north") for _ in range(3))
    assert left.exists()  # as a publication leaves it that was broken off
    offered.add(first)
    assert first != second
    assert first.parent == tmp_path / TABLES
    assert first.suffix == ".csv"
    kept.take_back(made, first)
    kept.take_back(made, second)
    assert not second.exists()
    kept.remove(made.id)
    assert [one.name for one in (tmp_path / TABLES).iterdir()] == [first.name]
    assert first.read_bytes() == b"rows"
    with pytest.raises(UploadRefusedError):
        kept.place(made, "north")
    pointed = replace(made, uploaded=False, file="/data/t.csv")
    assert str(kept.place(pointed, "north")) == "/data/t.csv"
    kept.take_back(pointed, first)
    assert first.exists()


def test_tables_of_drafts_that_were_deleted_by_hand_are_swept_and_no_others(tmp_path):
    offered = set()
    kept = DraftFolder(tmp_path, SystemRandomness(), lambda: offered)

    def placed(name):
        made = begun(kept, by=name)
        return made, kept.place(made, name)

    left, left_file = placed("left")
    waiting, waiting_file = placed("waiting")
    named, named_file = placed("named")
    settled, settled_file = placed("settled")
    kept.settle(settled_file)
    for made in (left, named, settled):
        shutil.rmtree(tmp_path / DRAFTS / made.id)
    offered.add(named_file.resolve())
    own = tmp_path / TABLES / "registry-2025.csv"
    own.write_text("rows")
    (tmp_path / TABLES / "link-0123abcd.csv").symlink_to(own)
    before = set((tmp_path / TABLES).iterdir())
    now = datetime.fromtimestamp(left_file.stat().st_ctime, UTC)
    kept.keep(replace(waiting, made=stamp(now + LIFE)))
    kept.sweep(now + LIFE - timedelta(minutes=1))
    assert set((tmp_path / TABLES).iterdir()) == before  # it may be being published
    kept.sweep(now + LIFE + timedelta(minutes=1))
    assert before - set((tmp_path / TABLES).iterdir()) == {left_file}
    assert waiting_file.exists()


def test_a_file_that_stays_where_it_was_is_not_touched(tmp_path):
    own = tmp_path / "own.csv"
    own.write_text("rows")
    before = own.stat().st_mode
    DraftFolder(tmp_path, SystemRandomness()).settle(own)
    assert own.stat().st_mode == before


def test_a_table_stays_where_nobody_can_tell_whether_it_is_offered(tmp_path):
    def unknown():
        raise OfferDraftUnknownError

    kept = DraftFolder(tmp_path, SystemRandomness(), unknown)
    made = begun(kept)
    placed = kept.place(made, "north")
    kept.take_back(made, placed)
    kept.remove(made.id)
    assert placed.exists()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("C:\\Users\\x\\a.csv", "a.csv"),
        ("/a/b/患者.csv", "患者.csv"),
        ("", "table"),
        ("\u202ex\n", "x"),
        ("..", ".."),
    ],
)
def test_the_name_of_a_file_is_shown_on_one_line_without_its_path(name, shown):
    assert shown_name(name) == shown


def test_a_kind_is_said_before_what_belongs_to_it():
    said = SaidOfTable("id", columns={"a": {"unit": "kg", "type": "number"}}, rows_are_persons=True)
    options = options_of(said)
    assert options.settings == ("a=number", "a.unit=kg")
    assert options.person == ""


def bar(count=10, value="", low=None, high=None, *, rest=False):
    return {"count": count, "value": value, "low": low, "high": high, "rest": rest}


def words(kind, *bars):
    return [str(one.label) for one in bars_of({"bars": list(bars), "type": kind})]


def test_bars_say_what_they_stand_for():
    assert words("number", bar(high=1.5), bar(low=1.5, high=2000), bar(low=2000)) == [
        "below 1.5",
        "1.5 to below 2000",
        "2000 and more",
    ]
    assert words("flag", bar(value="1"), bar(value="0")) == ["yes", "no"]
    assert words("code", bar(value="f"), bar(rest=True)) == ["f", "other values"]
    assert words("date", bar(value="2020", low=2020, high=2021)) == ["2020"]
    assert bars_of({"bars": [], "type": "code"}) == []


def test_bars_stand_on_their_axis_and_few_are_seen_as_few():
    first, second = bars_of({"bars": [bar(100, "a"), bar(None, "b")], "type": "code"})
    assert (first.y, first.height) == ("0.0", "80.0")
    assert (second.y, second.height) == ("77.0", "3.0")
    assert second.tick is not None


def test_tables_are_looked_at_one_at_a_time_and_few_wait():
    looks, go, threads = TableLooks(), threading.Event(), []

    def look():
        threads.append(threading.current_thread())
        go.wait(10)
        return len(threads)

    async def asked():
        first, *others = [asyncio.create_task(looks.turn(look)) for _ in range(1 + MOST_WAITING)]
        await asyncio.sleep(0)  # all have asked
        with pytest.raises(LooksBusyError):
            await looks.turn(look)
        others[-1].cancel()  # who gives up waiting makes room
        await asyncio.wait([others[-1]])
        again = asyncio.create_task(looks.turn(look))
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(first, *others[:-1], again)

    assert asyncio.run(asked()) == [1, 2, 3, 4, 5]
    assert len(set(threads)) == 1


def test_a_look_that_fails_makes_room():
    looks = TableLooks()
    for _ in range(2 + MOST_WAITING):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(looks.turn(lambda: 1 // 0))
