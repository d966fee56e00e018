"""One hospital of the demo and one member with the demo's contract, in this process.

Usage control and engine are the real ones. What the network adds to an attack is nothing but time.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from medspace.adapters.duckdb.source import TableSource, load
from medspace.app.demo.data import dictionary
from medspace.app.demo.space import MIN_COHORT, QUESTIONS
from medspace.core.dictionary import parse
from medspace.core.errors import MedspaceError
from medspace.core.usage import Brakes
from medspace.learning.glm.engine import GlmEngine
from tests.unit.connector.uses import ASSET, KIND, House, call

USES = 20  # of the demo's contract
TRIES = 200  # uses that are begun; the hospital counts them itself
OTHERS = ("did:web:b.example", "did:web:c.example")  # who has a seat beside the hospital
ALL = Brakes()
ROUNDS = 30  # questions of one use, at most
TERMS = {"count": USES, "min_cohort": MIN_COHORT, "min_sites": 3, "until": "2030-06-30T00:00:00Z"}


class Contract:
    """A member who asks for as long as the contract has uses."""

    def __init__(self, csv_text: str, brakes: Brakes = ALL, name: str = "table") -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / f"{name}.csv"
        path.write_text(csv_text, encoding="utf-8")
        self._loop = asyncio.new_event_loop()
        self._house = House(limit=QUESTIONS, brakes=brakes, **TERMS)
        self._house.others = OTHERS
        self._house.build({(KIND, "glm"): GlmEngine}, {ASSET: TableSource({ASSET: load(path, parse(dictionary()))})})
        self._loop.run_until_complete(self._house.agree())
        self.uses = self.answers = self.refused = 0
        self._left = 0
        self._token = ""
        self._task: dict[str, Any] = {}
        self.last: MedspaceError | None = None

    def ask(self, task: dict[str, Any], name: str, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """One question; None where it is refused."""
        if (not self._left or task != self._task) and not self._next_use():
            return None
        self._task = task
        self._left -= 1
        said = call(
            self._token,
            job=f"urn:job:{self.uses}",
            task=task | {"min_sites": 3},
            round=ROUNDS - self._left,
            name=name,
            inputs=inputs,
        )
        try:
            release = self._loop.run_until_complete(self._house.control.step(said))
        except MedspaceError as error:
            self.refused += 1
            self.last = error
            return None
        self.answers += 1
        return dict(release.values)

    def _next_use(self) -> bool:
        if self.uses == TRIES:
            return False
        self.uses += 1
        self._left = ROUNDS
        self._token = self._loop.run_until_complete(self._house.start(f"urn:job:{self.uses}"))
        return True

    def close(self) -> None:
        """Forget the hospital."""
        self._loop.close()
        self._folder.cleanup()
