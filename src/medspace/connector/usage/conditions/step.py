"""The brakes of one use: one task, rounds only forward, few questions, few withheld answers."""

from dataclasses import dataclass

from medspace.connector.usage import brakes, rules
from medspace.connector.usage.calls import AdmissibleStep, Visit
from medspace.connector.usage.conditions import PERMITTED, Grounds, Neutral
from medspace.core.decision import Decision, combine
from medspace.core.store import Transaction
from medspace.core.usage import Grant


@dataclass(frozen=True, slots=True)
class StepCondition(Neutral):
    """Limits a single use."""

    narrows = False
    grounds: Grounds

    def admit(self, tx: Transaction, visit: Visit) -> tuple[Decision, Grant]:
        """The task must be the one that the use began with."""
        return rules.same_task(visit.job.task, visit.task), Grant()

    def judge(self, tx: Transaction, asking: AdmissibleStep) -> Decision:
        """One answer per round and step, rounds only forward, few questions, few withheld answers."""
        visit, on, notebook = asking.visit, self.grounds.brakes, self.grounds.holder.notebook
        found = [PERMITTED]
        if on.once:
            found.append(brakes.forward(visit.asked, visit.step))
            if asking.rowless:
                found.append(brakes.within_protocol(len(visit.asked), visit.step.task))
            else:
                found.append(brakes.within_use(visit.job.steps - visit.job.rowless, visit.step.task))
        if on.questions:
            found.append(brakes.not_withheld(*notebook.withheld(tx, visit.job, visit.now)))
        return combine(*found)
