"""Random histories of a holder under consent, judged by a slow oracle that reads the documents themselves.

Patients consent, refuse, change their minds and withdraw, newcomers come in with editions, consents end by date, the
connector starts anew, and in between uses ask. What the oracle knows is only what was said and when: it shares no
code with what decides. In planted histories some uses are of a connector without the consent condition, which states
honestly whom it counts.
"""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.unit.services.consents import Clinic, document, task

PATIENTS = 24
RESEARCH = "HRESCH"  # what the uses of a house are for
REASONS = (RESEARCH, "HMARKT", "TREAT")
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PATIENCE = 30  # seconds
WITHOUT = 0.1  # of the uses of a planted history


@dataclass
class Said:
    """What one patient has said in one consent: its document, None once it is withdrawn."""

    patient: int
    consent: str
    document: dict[str, Any] | None


def permits(said: list[Said], patient: int, now: datetime) -> bool:
    """The oracle: whether a patient's rows may be counted, by the last word of each of her consents."""
    last = {one.consent: one.document for one in said if one.patient == patient}
    words = [_word(one, now) for one in last.values() if one is not None]
    return "permit" in words and "deny" not in words


def _word(said: dict[str, Any], now: datetime) -> str:
    """What a document says of research now: its decision, turned round by an exception that is about research."""
    if not _within(said.get("period"), now):
        return ""
    word = str(said["decision"])
    for exception in said.get("provision", ()):
        about = {one["code"] for one in exception.get("purpose", ())}
        if (not about or RESEARCH in about) and _within(exception.get("period"), now):
            return "deny" if word == "permit" else "permit"
    return word


def _within(period: dict[str, str] | None, now: datetime) -> bool:
    ends = {} if period is None else {name: datetime.fromisoformat(text) for name, text in period.items()}
    return ("start" not in ends or ends["start"] <= now) and ("end" not in ends or now <= ends["end"])


@dataclass
class History:
    """A holder and what happened to it. `outside` are the answers that left and counted somebody who was not in."""

    seed: int
    planted: bool = False
    said: list[Said] = field(default_factory=list)
    upto: int = 0  # how much was said when the edition began
    uses: int = 0
    answered: int = 0
    outside: list[str] = field(default_factory=list)
    missed: set[str] = field(default_factory=set)  # by the replay
    invented: set[str] = field(default_factory=set)
    withdrawals: int = 0
    restarts: int = 0

    async def run(self, uses: int) -> "History":
        """Let so many uses ask, and replay the log at the end."""
        self.chance = random.Random(self.seed)
        self.house = await Clinic(limit=10**6).ready(())
        self.made_of: dict[str, frozenset[int]] = {}
        self.wrong: set[str] = set()
        self.version = 1
        for patient in range(PATIENTS):
            if self.chance.random() < 0.9:
                await self.say(patient)
        await self.edition()
        while self.uses < uses:
            await self.chance.choice((self.use, self.use, self.use, self.change, self.pause))()
        found, _ = await self.house.replay()
        self.missed = self.wrong - {one.use for one in found}
        self.invented = {one.use for one in found} - self.wrong
        return self

    async def change(self) -> None:
        """Somebody says something, or the holder does."""
        how = self.chance.choice((self.say, self.say, self.withdraw, self.edition, self.restart))
        await (how(self.chance.randrange(PATIENTS)) if how in (self.say, self.withdraw) else how())

    async def pause(self) -> None:
        """Time passes, so that consents begin and end."""
        self.house.clock.advance(self.chance.choice((60.0, 3_600.0, 86_400.0)))

    async def say(self, patient: int) -> None:
        """A consent in a new version, or another consent beside it."""
        self.version += 2  # a withdrawal takes the one after
        made = document(
            patient, *self._stance(), version=self.version, identity=self._named(patient), **self._terms()
        )
        await self.house.say(made)
        self.said.append(Said(patient, made["id"], made))

    def _stance(self) -> tuple[str]:
        return ("permit" if self.chance.random() < 0.85 else "deny",)

    def _named(self, patient: int) -> str:
        return f"c{patient}{self.chance.choice(('', '', 'b'))}"

    def _terms(self) -> dict[str, Any]:
        terms: dict[str, Any] = {}
        if self.chance.random() < 0.3:
            terms["period"] = self._period()
        if self.chance.random() < 0.3:
            exception: dict[str, Any] = {"purpose": [{"system": ACT_REASON, "code": self.chance.choice(REASONS)}]}
            terms["provision"] = [exception | ({"period": self._period()} if self.chance.random() < 0.3 else {})]
        return terms

    def _period(self) -> dict[str, str]:
        now = self.house.clock.now().replace(microsecond=0)
        start, end = now + timedelta(minutes=self.chance.randint(-300, 60)), now + timedelta(minutes=90)
        end += timedelta(minutes=self.chance.randint(0, 3 * 24 * 60))
        return {name: one.isoformat().replace("+00:00", "Z") for name, one in (("start", start), ("end", end))}

    async def withdraw(self, patient: int) -> None:
        """A patient withdraws one consent or all of hers, if there are any."""
        mine = sorted({one.consent for one in self.said if one.patient == patient})
        if not mine:
            return
        chosen = self.chance.choice([*mine, ""])
        await self.house.withdraw(patient, chosen)
        self.withdrawals += 1
        self.said += [Said(patient, one, None) for one in mine if chosen in ("", one)]

    async def edition(self) -> None:
        """Everybody who has said something belongs to the dataset from now on."""
        await self.house.open()
        self.upto = len(self.said)

    async def restart(self) -> None:
        """A new process on the same database."""
        self.house.build()
        self.restarts += 1

    async def use(self) -> None:
        """A use begins and asks up to three times; in between, and while it is worked on, things happen."""
        self.uses += 1
        job, without = f"urn:job:{self.uses}", self.planted and self.chance.random() < WITHOUT
        self._without(without=without)
        token, said = await self.house.start(job), task(self.chance.randrange(max(2, self.uses // 2)))
        for name in ("sum", "mean", "sum")[: self.chance.randint(1, 3)]:
            await self._step(token, job, task=said, name=name)
            if self.chance.random() < 0.2 and not without:
                await self.change()
        if without:
            self._without(without=False)

    async def _step(self, token: str, job: str, **step: Any) -> None:
        opened, asked = len(self.house.source.opened), str(step)
        if self.chance.random() < 0.1:
            self._disturb()
        answer = await self.house.ask(token, job, **step)
        self.house.engine.before = lambda: None
        if len(self.house.source.opened) > opened:
            self.made_of[asked] = frozenset(self.house.counted())
        if isinstance(answer, str):
            return
        self.answered += 1
        if not all(self.inside(patient) for patient in self.made_of[asked]):
            (self.wrong.add if self.planted and not self.house.brakes.consent else self.outside.append)(job)

    def _disturb(self) -> None:
        """A patient withdraws while the engine works."""
        loop, patient = asyncio.get_running_loop(), self.chance.randrange(PATIENTS)

        def disturb() -> None:
            asyncio.run_coroutine_threadsafe(self.withdraw(patient), loop).result(PATIENCE)

        self.house.engine.before = disturb

    def _without(self, *, without: bool) -> None:
        if self.house.brakes.consent is without:
            self.house.brakes = replace(self.house.brakes, consent=not without)
            self.house.build()

    def inside(self, patient: int) -> bool:
        """Whether a patient is in: now, and by what was said when the edition began."""
        now = self.house.clock.now()
        return permits(self.said, patient, now) and permits(self.said[: self.upto], patient, now)
