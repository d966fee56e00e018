"""A holder of real usage control whose rows pass by consent, with as many patients as a test says."""

from dataclasses import replace

from medspace.adapters.memory import SeededRandomness
from medspace.app.features.consent.kinds import KINDS
from medspace.connector.usage.service import ALL_BRAKES
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.ledger.model import decode
from medspace.services.consents import publishing, recording
from medspace.services.consents.conditions import ConsentCondition
from medspace.services.consents.model import ConsentTerms
from medspace.services.consents.recording import Office
from medspace.services.consents.register import Register
from medspace.services.consents.replaying import Replay
from tests.unit.connector.uses import ASSET, HOLDER, PURPOSE, TASK, House, call

kinds.learn(KINDS)  # as whoever loads the features does


def document(patient, stance="permit", version=1, identity="", **more):
    """A FHIR Consent of release 5."""
    made = {"resourceType": "Consent", "id": identity or f"c{patient}", "status": "active", "decision": stance}
    return made | {"meta": {"versionId": str(version)}, "subject": {"reference": f"Patient/{patient}"}} | more


class Clinic(House):
    """A house under consent."""

    def __init__(self, *, consent=True, **more):
        brakes = replace(ALL_BRAKES, consent=consent, changes=False, exposure=False)
        super().__init__(brakes=brakes, more=[ConsentCondition], route="consent", **more)
        self.register, self.salting = Register(), SeededRandomness(11)

    def office(self):
        return Office(HOLDER, self.salting, self.clock.now())

    async def say(self, *documents):
        return await self.database.write(lambda tx: recording.record(tx, self.office(), documents))

    async def withdraw(self, patient, consent=""):
        return await self.database.write(lambda tx: recording.withdraw(tx, self.office(), str(patient), consent))

    async def open(self, least=0, **terms):
        """Say how the dataset is used under consent; newcomers count from now on."""
        made = ConsentTerms("person", **terms)
        return await self.database.write(
            lambda tx: publishing.put(tx, self.office(), self.register, ASSET, made, [PURPOSE])
        )

    async def renew(self, least=10):
        return await self.database.write(
            lambda tx: publishing.renew(tx, self.office(), self.register, ASSET, [PURPOSE], least)
        )

    async def ready(self, patients=range(40)):
        """Opened, agreed, with the consent of these patients; nothing has begun."""
        await self.agree()
        await self.say(*(document(one) for one in patients))
        await self.open()
        return self

    async def ask(self, token, job="urn:job:1", **step):
        """Ask a step; its release, or the code of the refusal."""
        self.clock.advance(1.0)
        try:
            return await self.control.step(call(token, job, **step))
        except MedspaceError as error:
            return (
                getattr(error, "facts", {}).get("decision", error.code) if error.code == "use.refused" else error.code
            )

    def counted(self):
        """The patients of the last admission."""
        (scope,) = self.source.opened[-1].scope
        return {int(one) for one in scope.values}

    async def replay(self):
        def look(tx):
            made = Replay(tx, Register(), HOLDER)
            entries = enumerate(map(decode, tx.log.entries(0, tx.log.size())))
            return list(made.found(entries)), made.examined

        return await self.database.read(look)


def task(number):
    """A task of its own, so that nothing is answered from what was kept."""
    return TASK | {"number": number}
