"""What a holder is told of columns that told the outcome: in sentences without numbers, by use, and by the doctor."""

import json
from dataclasses import replace
from types import SimpleNamespace

import msgspec

from medspace.app.features.budget.statements import clipped
from medspace.app.features.uses.leaking import leak_checks, leaks
from medspace.app.features.uses.service import Uses
from medspace.connector.model import Role
from medspace.core.usage import HolderNote, HolderNoteKind
from tests.unit.connector.budgeted import Noisy, budgeted, limits
from tests.unit.connector.uses import ASSET

ROWS = 104729
NOTES = (
    HolderNote(HolderNoteKind.TELLS, ROWS - 3, ROWS, "discharge"),
    HolderNote(HolderNoteKind.GAPS, ROWS, ROWS, "autopsy"),
    HolderNote(HolderNoteKind.SHORTENED, 1, ROWS),
)
SAID = [
    "The column discharge alone tells the outcome of nearly all of your patients.",
    "Whether the column autopsy has a value tells the outcome of nearly all of your patients.",
]


class Leaking(Noisy):
    """Tells its holder which columns tell the outcome."""

    def answer(self, admission, step, workplace):
        return replace(super().answer(admission, step, workplace), notes=NOTES)


async def test_the_holder_reads_it_with_the_use_and_nobody_else_does():
    house, token = await budgeted(limits())
    house.engine = Leaking(steps=("sum",))
    house.build()
    left = json.dumps(msgspec.to_builtins(await house.ask(token, (10,) * 4)))
    assert not any(word in left for word in ("discharge", "autopsy", str(ROWS)))
    ((use, said),) = (await house.database.read(lambda tx: leaks(tx, house.notebook.sealer, ASSET))).items()
    assert use
    assert [str(one) for one in said] == SAID
    uses = Uses(SimpleNamespace(database=house.database, sealer=house.notebook.sealer), None)
    mine, theirs = (SimpleNamespace(dataset=ASSET, role=role) for role in (Role.PROVIDER, Role.CONSUMER))
    assert await uses.leaks([mine, mine]) == {use: said}
    assert await uses.leaks([theirs]) == {}
    shown = await house.database.read(lambda tx: clipped(tx, house.notebook.sealer, ASSET))
    assert [one["told"] for one in shown] == ["shortened"]


def test_the_doctor_says_it_of_the_latest_uses():
    use = {"dataset": "hearts", "since": "2026-11-30T10:00:00Z", "warnings": SAID}
    found = list(leak_checks([use, use | {"warnings": []}, use, use]))
    assert [one.state for one in found] == ["look"] * 5
    assert str(found[0].found) == f"In the use of hearts since 2026-11-30: {SAID[0]}"
    assert list(leak_checks([use | {"warnings": []}])) == []
