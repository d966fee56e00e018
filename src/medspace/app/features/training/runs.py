"""Training runs and their models, as this participant's people ask for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medspace.app.doors.views import Speak
from medspace.app.features.training import views
from medspace.app.features.training.card import facts as carding
from medspace.app.features.training.service import Training
from medspace.app.features.training.waiting import Waiting
from medspace.app.node.lists import FIRST, PageRequest
from medspace.app.node.node import Node
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.paging import each, newest
from medspace.core.store import Transaction
from medspace.learning.using.kinds import packable, pipeline_of
from medspace.runs.keeping import kept_model
from medspace.runs.model import MODELS, ROUNDS, RUNS, Model, Run
from medspace.runs.service import Coordinator
from medspace.trust.errors import SignatureError

if TYPE_CHECKING:
    from medspace.learning.using.packing import Computed

LARGEST_RUNS = 20  # a run comes with its model


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs begun, watched, cancelled; models shown."""

    node: Node
    coordinator: Coordinator
    training: Training
    waiting: Waiting

    async def train(
        self,
        task: JsonObject,
        agreements: Sequence[str],
        *,
        without_missing: bool = False,
        patience: float = 0.0,
        coordinator: str = "",
        by: str = NOBODY,
    ) -> str:
        """Begin a training run; its identity."""
        begun = await self.training.begin(
            task, agreements, without_missing=without_missing, patience=patience, coordinator=coordinator, by=by
        )
        return begun.id

    async def forecast(self, task: JsonObject, agreements: Sequence[str], speak: Speak) -> JsonObject:
        """What training would cost and find; nothing is asked."""
        document, found = await self.training.forecast(task, agreements)
        return views.forecast(document, found, speak)

    async def run(self, run: str, speak: Speak) -> JsonObject:
        """A run as it stands, with its model once there is one."""
        record = await self.coordinator.run(run)
        return self.shown(record, await self.coordinator.model(run), speak)

    def shown(self, record: Run, made: Model | None, speak: Speak) -> JsonObject:
        """A run with its model, as people and programs see it."""
        return views.run(record, made, self.coordinator.describe, self.waiting, self.node.names(), speak)

    async def course(self, run: str) -> JsonObject:
        """What was asked in a run so far, round by round, and how often each site answered."""
        record = await self.coordinator.run(run)
        rounds = await self.node.database.read(lambda tx: list(each(tx, ROUNDS, {"run": run}, by="round")))
        return views.course(record, rounds, self.node.names())

    async def runs(self, page: PageRequest = FIRST) -> list[tuple[Run, Model | None]]:
        """A page of runs with their models, the newest first."""
        found = await newest(self.node.database, RUNS, {}, page.cursor(), min(page.limit, LARGEST_RUNS))

        def look(tx: Transaction) -> list[tuple[Run, Model | None]]:
            return [(run, tx.get(MODELS, run.model) if run.model else None) for run in found]

        return await self.node.database.read(look)

    async def cancel(self, run: str, *, by: str = NOBODY) -> None:
        """Cancel a run that is not over."""
        await self.coordinator.cancel(run, by=by)

    async def model(self, model: str, speak: Speak) -> JsonObject:
        """A model by its identity, or by that of the run that made it, as people read it.

        Raises:
            NoModelError, ModelUnknownError: there is none.
        """
        return views.model(await self._kept(model), self.coordinator.describe, self.node.names(), speak)

    async def card(self, model: str, speak: Speak) -> JsonObject:
        """The card of a model: its facts, signed by this connector, and what they say in the reader's language.

        Raises:
            NoModelError, ModelUnknownError: there is none.
        """
        record = await self._kept(model)
        return self._card(record, packable(record), speak)

    async def file(self, model: str, form: str, speak: Speak) -> bytes:
        """A model with its card as a file, in one of `using.exporting.FORMS`.

        Raises:
            NoModelError, ModelUnknownError: there is none.
            ModelUnpackableError: models of its kind have no file.
            FileFormError: there is no such form.
        """
        from medspace.app.features.training.using.exporting import exported  # noqa: PLC0415 - numpy comes with it
        from medspace.learning.using.packing import PackedModel  # noqa: PLC0415 - as above

        record = await self._kept(model)
        made = pipeline_of(record)
        return exported(PackedModel(made, self._card(record, made, speak), self.node.book.text), form)

    async def _kept(self, model: str) -> Model:
        return await self.node.database.read(lambda tx: kept_model(tx, model))

    def _card(self, record: Model, computed: "Computed | None", speak: Speak) -> JsonObject:
        made = views.model(record, self.coordinator.describe, self.node.names(), speak)
        described = made.get("described", {"title": made["id"], "sentences": [], "tables": [], "quality": None})
        facts = carding.facts_of(made, None if computed is None else computed.digest())
        limits = [text.render(speak) for text in carding.limits_of(made)]
        said = {**described, "protections": made["protections"], "limits": limits}
        signed = carding.signed(facts, self.node.signing, self.node.did, self.node.clock.now())
        return {"facts": facts, "said": said, "signed": signed}

    def check_card(self, card: JsonObject) -> JsonObject:
        """Who has signed a card, and when.

        Raises:
            SignatureError: nobody who is a member now has signed these facts.
        """
        by = str(card["signed"]["by"])
        member = next((one for one in self.node.members() if one.did == by), None)
        if member is None:
            raise SignatureError(did=by)
        carding.check(card, member, self.node.clock.now())
        return {"by": by, "name": member.name, "time": card["signed"]["time"]}
