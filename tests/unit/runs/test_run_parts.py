"""Runs whose questions, answers and states carry parts: here tensors that three sites add to, block by block."""

import asyncio
from array import array
from dataclasses import dataclass, field, replace
from io import BytesIO

import pytest

from medspace.adapters.blobs.memory import MemoryBlobStore
from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.core.parts import Blobs, Keeping, Part
from medspace.core.tensors import MEDIA_TYPE, abreast, blocks, head, read_head
from medspace.core.usage import release_digest
from medspace.ledger.model import decode
from medspace.runs.errors import SiteRefusedError
from medspace.runs.model import RUNS, RunState
from medspace.runs.ports import Answer, Demands, Question, Result
from medspace.runs.service import Coordinator
from tests.unit.learning.simulated import SIGNER, did, seats

SITES = (did(0), did(1), did(2))
ME = "did:web:u"
COUNT = 1000
ROUNDS = 3
ROOM = 1 << 20


def written(blobs, numbers):
    with blobs.create(MEDIA_TYPE) as new:
        new.write(head({"x": ("F64", (len(numbers),))}))
        new.write(array("d", numbers).tobytes())
    return new.part


def read(blobs, part):
    with blobs.open(part) as source:
        tensor = read_head(source, part.size)["x"]
        return array("d", b"".join(blocks(source, tensor, 256))).tolist()


@dataclass
class Summing:
    blobs: Blobs
    number: int
    most: int = 0  # bytes of a block that were ever in memory
    parts: list = field(default_factory=list)
    sites: list = field(default_factory=list)

    def add(self, answer, least):
        (part,) = answer.parts
        with self.blobs.open(part) as source:
            read_head(source, part.size)
        self.parts.append(part)
        self.sites.append(answer.site)
        return 1

    def state(self, *, lost):
        opened = [self.blobs.open(part) for part in self.parts]
        sources = list(zip(opened, [part.size for part in self.parts], strict=True))
        with self.blobs.create(MEDIA_TYPE) as new:
            new.write(head({"x": ("F64", (COUNT,))}))
            for pieces in abreast(sources, "x", 256):
                assert max(map(len, pieces)) <= 256
                columns = zip(*(array("d", piece) for piece in pieces), strict=True)
                new.write(array("d", map(sum, columns)).tobytes())
        return {"x": [new.part.digest, new.part.size], "round": self.number, "sites": self.sites}


@dataclass(frozen=True)
class Tripling:
    """Each round hands all sites the vector, each adds its own to it, and the sum goes on."""

    document: dict
    blobs: Blobs | None = None
    demands = Demands(min_sites=2, site_faults="exclude")
    needs = ()

    def within(self, blobs):
        return replace(self, blobs=blobs)

    def kept(self, state):
        return (self.part(state),) if state else ()

    def part(self, state):
        return Part(state["x"][0], MEDIA_TYPE, state["x"][1])

    def first(self):
        return {}

    def questions(self, state, number):
        if number > ROUNDS:
            return None
        part = self.part(state) if state else written(self.blobs, [1.0] * COUNT)
        return Question("add", "add.vector", {"at": number}, parts=(part,), most=self.document["most"])

    def gathering(self, state, number):
        return Summing(self.blobs, number)

    def without(self, state):
        return {}

    def objective(self, state):
        return None

    def result(self, state):
        return Result({"sum": sum(read(self.blobs, self.part(state)))}, 3, tuple(state["sites"]))


class TriplingAlgorithm:
    kind = "medspace:train"
    name = "triple"

    def prepare(self, document):
        return Tripling(dict(document))


@dataclass
class Vectors:
    """Three sites with stores of their own; `tampering` changes the part that one of them names or gives."""

    stores: dict = field(default_factory=lambda: {site: MemoryBlobStore(ROOM, lambda: 0.0) for site in SITES})
    brought: list = field(default_factory=list)
    fetched: list = field(default_factory=list)
    tampering: dict = field(default_factory=dict)
    hook: object = None

    async def begin(self, run, agreement, kind):
        return agreement.replace("agreement", "use")

    async def seat(self, use, manifest):
        return "key"

    async def seated(self, use, keys):
        pass

    async def end(self, use):
        pass

    def place(self, use):
        site = use.removeprefix("urn:use:")
        return site, Keeping(ME, use), self.stores[site]

    async def bring(self, use, part, blobs):
        site, keeping, store = self.place(use)
        if not store.has(keeping, part.digest):
            self.brought.append((site, part.digest))
            with blobs.open(part) as source:
                receiving = store.receive(keeping, part)
                receiving.write(source.read())
                receiving.finish()

    async def ask(self, use, step):
        site, keeping, store = self.place(use)
        blobs = store.of(keeping)
        (asked,) = step.parts
        part = written(blobs, [x + SITES.index(site) + 1 for x in read(blobs, asked)])
        part = self.tampering.get(site, lambda part: part)(part)
        said = release_digest("add.vector", step.round, 5, {}, parts=(part,))
        return Answer(site, f"urn:release:{site}:{step.round}", step.round, "add.vector", {}, 5, said, parts=(part,))

    async def fetch(self, use, part, store, keeping):
        site, mine, theirs = self.place(use)
        if self.hook is not None:
            await self.hook(site, part, store, keeping)
        if store.has(keeping, part.digest):
            return
        self.fetched.append((site, part.digest))
        try:
            content = theirs.of(mine).open(part).read()
        except KeyError:
            raise SiteRefusedError(site=site, reason="no such part") from None
        receiving = store.receive(keeping, part)
        receiving.write(content)
        receiving.finish()


TASK = {"task": "triple", "most": 9000}


def leader(sites, store, database=None, **more):
    algorithms = (TriplingAlgorithm(),)
    database = database or MemoryDatabase()
    return Coordinator(
        database, sites, ManualClock(), SeededRandomness(), ME, SIGNER, algorithms, blobs=store, noted=str, **more
    )


@pytest.fixture
def store():
    return MemoryBlobStore(ROOM, lambda: 0.0)


def expected():
    value = 1.0
    for _ in range(ROUNDS):
        value = 3 * value + 1 + 2 + 3
    return value * COUNT


async def test_a_vector_goes_to_the_sites_and_back_in_each_round(store):
    sites = Vectors()
    leading = leader(sites, store)
    run = await leading.train(TASK, seats(SITES))
    assert run.failure is None, str(run.failure.text)
    assert (await leading.model(run.id)).result == {"sum": expected()}
    assert len(sites.brought) == len(sites.fetched) == ROUNDS * len(SITES)
    assert store.kept() == []  # nothing outlasts the run


async def test_the_log_names_every_part(store):
    database, sites = MemoryDatabase(), Vectors()
    run = await leader(sites, store, database).train(TASK, seats(SITES))
    entries = [decode(data) for data in await database.read(lambda tx: tx.log.entries(0, tx.log.size()))]
    rounds = [entry.facts for entry in entries if entry.kind == "run.round"]
    assert len(rounds) == run.round == ROUNDS
    answered = [part for facts in rounds for answer in facts["answers"] for part in answer["parts"]]
    assert answered == [f"sha256:{digest}" for _, digest in sites.fetched]
    asked = [part for facts in rounds for part in facts["parts"]]
    assert asked == [f"sha256:{digest}" for _, digest in sites.brought[:: len(SITES)]]


async def test_no_more_is_kept_than_the_round_needs(store):
    seen = []

    async def look(site, part, store, keeping):
        seen.append([one.use.rpartition("/")[2] for one in store.kept()])

    sites = Vectors(hook=look)
    await leader(sites, store).train(TASK, seats(SITES))
    assert seen == [[f"{number:04d}"] for number in range(1, ROUNDS + 1) for _ in SITES]


async def test_a_killed_coordinator_goes_on_with_the_parts_that_it_has(store):
    database, sites = MemoryDatabase(), Vectors()
    stuck, calls = asyncio.Event(), []

    async def stop(site, part, store, keeping):
        calls.append(site)
        if len(calls) == 6:  # the last one of the second round; two are here
            stuck.set()
            await asyncio.Event().wait()

    sites.hook = stop
    first = leader(sites, store, database, width=1)
    run = await first.create(TASK, seats(SITES))
    leading = asyncio.create_task(first.resume(run.id))
    await stuck.wait()
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert len(sites.fetched) == 5
    sites.hook = None
    resumed = leader(sites, store, database, width=1)
    ended = await resumed.resume(run.id)
    assert ended.state is RunState.FINISHED
    assert (await resumed.model(run.id)).result == {"sum": expected()}
    assert len(sites.brought) == len(sites.fetched) == ROUNDS * len(SITES)  # nothing went twice


async def test_a_run_whose_parts_are_gone_ends_with_the_reason(store):
    database, sites = MemoryDatabase(), Vectors()

    async def lose(site, part, store, keeping):
        if keeping.use.endswith("/0002"):
            raise asyncio.CancelledError

    sites.hook = lose
    run = await leader(sites, store, database).create(TASK, seats(SITES))
    await asyncio.gather(leader(sites, store, database).resume(run.id), return_exceptions=True)
    for keeping in store.kept():
        store.drop(keeping)
    ended = await leader(sites, store, database).resume(run.id)
    assert (ended.state, ended.failure.code) == (RunState.FAILED, "learning.parts_lost")
    assert (await database.read(lambda tx: tx.get(RUNS, run.id))).settled == "yes"


async def test_a_part_of_a_question_that_was_never_written_ends_the_run(store):
    class Forgetful(TriplingAlgorithm):
        def prepare(self, document):
            return Empty(dict(document))

    class Empty(Tripling):
        def questions(self, state, number):
            return replace(super().questions(state, number), parts=(Part("0" * 64, MEDIA_TYPE, 9),))

    leading = replace(leader(Vectors(), store), algorithms=(Forgetful(),))
    run = await leading.train(TASK, seats(SITES))
    assert (run.state, run.failure.code, run.faults) == (RunState.FAILED, "learning.parts_lost", ())


BROKEN = {
    "larger": (lambda part: replace(part, size=9001), "larger than the 9000 bytes"),
    "no digest": (lambda part: replace(part, digest="../../etc"), "not a SHA-256"),
    "not there": (lambda part: replace(part, digest="0" * 64), "no such part"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_site_whose_part_is_not_as_asked_is_left_out(how, store):
    change, reason = BROKEN[how]
    sites = Vectors(tampering={SITES[1]: change})
    run = await leader(sites, store).train(TASK, seats(SITES))
    (fault,) = run.faults
    assert (run.state, fault.site) == (RunState.FINISHED, SITES[1])
    assert reason in str(fault.text)
    assert SITES[1] not in {site for site, _ in sites.fetched} or how == "not there"


async def test_a_part_that_holds_no_tensor_is_a_fault_of_its_site(store):
    sites = Vectors()

    def nonsense(part):
        blobs = sites.stores[SITES[2]].of(Keeping(ME, f"urn:use:{SITES[2]}"))
        with blobs.create(MEDIA_TYPE) as new:
            new.write(b"no tensors")
        return new.part

    sites.tampering[SITES[2]] = nonsense
    run = await leader(sites, store).train(TASK, seats(SITES))
    assert (run.state, [fault.site for fault in run.faults]) == (RunState.FINISHED, [SITES[2]])
    assert run.faults[0].code == "learning.answer_invalid"


async def test_parts_that_do_not_fit_together_end_the_run(store):
    sites = Vectors()

    def shorter(part):
        return written(sites.stores[SITES[2]].of(Keeping(ME, f"urn:use:{SITES[2]}")), [1.0])

    sites.tampering[SITES[2]] = shorter
    run = await leader(sites, store).train(TASK, seats(SITES))
    assert (run.state, run.failure.code) == (RunState.FAILED, "learning.answers_invalid")
    assert store.kept() == []


@pytest.mark.parametrize("room", [4_000, 20_000])  # not even for the question, and for some of the answers only
async def test_a_store_that_is_full_ends_the_run_and_blames_no_site(room):
    small = MemoryBlobStore(room, lambda: 0.0)
    run = await leader(Vectors(), small).train(TASK, seats(SITES))
    assert (run.state, run.failure.code, run.faults) == (RunState.FAILED, "learning.parts_room", ())
    assert small.kept() == []


async def test_nobody_is_sent_parts_that_were_not_asked_for(store):
    run = await leader(Vectors(), store).train(TASK | {"most": 0}, seats(SITES))
    assert run.state is RunState.FAILED
    assert {fault.code for fault in run.faults} == {"learning.answer_invalid"}


def test_tensors_abreast_are_of_one_type_and_shape():
    def file(dtype, count, name="x"):
        content = head({name: (dtype, (count,))}) + bytes(8 * count)
        return BytesIO(content), len(content)

    pieces = list(abreast([file("F64", 5), file("F64", 5)], "x", 16))
    assert [tuple(map(len, piece)) for piece in pieces] == [(16, 16), (16, 16), (8, 8)]
    for other in (file("I64", 5), file("F64", 4), file("F64", 5, "y")):
        with pytest.raises(Exception, match="not of one type and shape"):
            list(abreast([file("F64", 5), other], "x", 16))
