"""Who wants to know how many patients of a hospital were clipped: an exact count, which no budget has paid for.

The engine tells its holder 7919 of 104729 patients. Whoever is outside looks for these numbers in all that leaves.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import msgspec
import pytest

from medspace.adapters.sql import create, open_database
from medspace.app.compose.connector import COLLECTIONS
from medspace.app.features.budget.clipping import clipping
from medspace.app.features.budget.statements import clipped
from medspace.connector.usage import gate
from medspace.connector.usage.errors import UseFailedError
from medspace.core.errors import MedspaceError
from medspace.core.text import Text
from medspace.core.usage import HolderNote, HolderNoteKind, Output
from medspace.ledger import bundle, service
from tests.unit.connector.budgeted import Noisy, budgeted, limits
from tests.unit.connector.uses import ASSET, HOLDER, signer_of

SHORTENED, PATIENTS, OUTSIDE = 7919, 104729, 6841
NAMED = "clipping: exact counts of clipped patients found in what leaves"
NOTES = (
    HolderNote(HolderNoteKind.SHORTENED, SHORTENED, PATIENTS),
    HolderNote(HolderNoteKind.OUTSIDE, OUTSIDE, PATIENTS, "chol"),
)


class Clipping(Noisy):
    """Tells its holder how many were clipped; the step `broken` says it and breaks, `few` has too few persons."""

    def answer(self, admission, step, workplace):
        made = replace(super().answer(admission, step, workplace), notes=NOTES)
        if step.name == "broken":
            raise ValueError(f"of {PATIENTS} patients {SHORTENED} were clipped")
        return replace(made, cohort=1) if step.name == "few" else made


async def asked(database=None):
    """A hospital whose steps were asked, and everything that left: answers, errors, and the log with its bundle."""
    house, token = await budgeted(limits(), database)
    house.engine = Clipping(steps=("sum", "few", "broken"))
    house.build()
    left = [json.dumps(msgspec.to_builtins(await house.ask(token, (10,) * 4)))]
    for number, name in enumerate(("few", "broken"), 2):
        with pytest.raises(MedspaceError) as refusal:
            await house.ask(token, (10,) * 4, round=number, name=name)
        left.append(f"{refusal.value.text} {refusal.value.advice} {refusal.value.facts}")
    signed = await house.database.write(
        lambda tx: service.checkpoint(tx, signer_of(HOLDER), HOLDER, house.clock.now())
    )
    shown = await house.database.read(lambda tx: bundle.render(bundle.export(tx.log, signed, "members")))
    return house, [*left, shown.decode()]


def found(left):
    """How many of the counts can be read in what left."""
    return sum(any(str(count) in text for text in left) for count in (SHORTENED, OUTSIDE, PATIENTS))


async def test_no_count_of_clipped_patients_is_in_anything_that_leaves(attack_report):
    house, left = await asked()
    got = found(left)
    assert got == 0
    attack_report(NAMED, got=got, of=3, unit="counts")
    shown = await house.database.read(lambda tx: clipped(tx, house.notebook.sealer, ASSET))
    assert [(one["told"], one["column"], one["count"], one["of"], one["step"]) for one in shown] == [
        ("shortened", "", SHORTENED, PATIENTS, "sum"),
        ("outside", "chol", OUTSIDE, PATIENTS, "sum"),
    ]
    said = [str(clipping(one)) for one in shown]
    assert "what 7919 of 104729 patients add was shortened (7.6 %)" in said[0]
    assert "6841 of 104729 values of chol lie outside" in said[1]


async def test_where_the_gate_does_not_keep_notes_apart_the_same_look_finds_them(monkeypatch, attack_report):
    """The control: the answer takes the notes along."""

    class Leaky(Clipping):
        def answer(self, admission, step, workplace):
            made = super().answer(admission, step, workplace)
            return replace(made, values=dict(made.values) | {note.told.value: note.count for note in made.notes})

    monkeypatch.setitem(globals(), "Clipping", Leaky)
    _, left = await asked()
    control = found(left)
    assert control == 2
    attack_report(NAMED, control=control, of=3, unit="counts")


async def test_a_copy_of_the_database_does_not_show_them(tmp_path):
    file = tmp_path / "connector.db"
    create(f"sqlite:///{file}", COLLECTIONS)
    async with open_database(f"sqlite:///{file}", COLLECTIONS) as opened:
        await asked(opened)
    with closing(sqlite3.connect(file)) as copy:
        text = "\n".join(copy.iterdump())
    assert "holder_notes" in text
    assert found([text]) == 0


async def test_notes_are_kept_with_the_release_or_not_at_all(monkeypatch):
    house, token = await budgeted(limits())
    house.engine = Clipping(steps=("sum",))
    house.build()

    def full(*_):
        raise OSError("full")

    monkeypatch.setattr(gate.telling, "keep", full)
    with pytest.raises(OSError, match="full"):
        await house.ask(token, (10,))
    assert "use.released" not in await house.kinds()
    assert await house.database.read(lambda tx: clipped(tx, house.notebook.sealer, ASSET)) == []


@pytest.mark.parametrize("notes", [[NOTES[0]], (1,), (NOTES[0],) * 257], ids=["a list", "something else", "too many"])
async def test_an_output_with_other_notes_is_none(notes):
    class Wrong(Clipping):
        def answer(self, admission, step, workplace):
            return replace(super().answer(admission, step, workplace), notes=notes)

    house, token = await budgeted(limits())
    house.engine = Wrong(steps=("sum",))
    house.build()
    with pytest.raises(UseFailedError):
        await house.ask(token, (10,))


@pytest.mark.parametrize("wrong", [(3, 2), (-1, 2), (1, 2**60)])
def test_a_note_counts_some_of_many(wrong):
    with pytest.raises(ValueError, match="counts"):
        HolderNote(HolderNoteKind.SHORTENED, *wrong)
    with pytest.raises(ValueError, match="counts"):
        HolderNote(HolderNoteKind.OUTSIDE, 1, 2, "x" * 257)


def test_no_note_is_in_the_words_of_an_output():
    assert str(SHORTENED) not in repr(Output("sum", {}, 1, notes=NOTES))
    assert isinstance(
        clipping({"told": "shortened", "time": "2026-11-29", "count": 1, "of": 2, "column": "", "task": "sha256:ab"}),
        Text,
    )
