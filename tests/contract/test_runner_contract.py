"""The contract of `connector.usage.ports.Runner`: one class, passed by threads, by processes and by the double."""

import asyncio
import math
import os
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest

from medspace.adapters.blobs.files import FileBlobStore
from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.adapters.runner import ProcessRunner, ThreadRunner, recipe_of
from medspace.adapters.runner.line import PeersAbsentError
from medspace.adapters.runner.papers import write_order
from medspace.adapters.runner.process import alive, launched
from medspace.connector.usage.errors import StepTooLargeError, UseFailedError
from medspace.connector.usage.ports import Work
from medspace.core.engine import RunTerms, StepLimits
from medspace.core.errors import InvalidInputError, MedspaceError, StorageFullError
from medspace.core.parts import Keeping
from medspace.core.usage import Step
from medspace.privacy.errors import DisclosureError
from medspace.trust.errors import EnvelopeError
from tests.admissions import admission
from tests.contract.engines import KIND, Obedient, numbers

TERMS = RunTerms("sha256:" + "0" * 64, "did:web:coordinator.example", 2)


@dataclass(frozen=True)
class Keys:
    """The keys of a run's parties, which never leave this process; `used` notes in which they were."""

    seats: tuple[str, ...] = ("did:web:a.example", "did:web:b.example")
    used: list = field(default_factory=list)
    holder: str = "did:web:a.example"
    terms: RunTerms = TERMS

    def seal(self, peer, label, message):
        self.used.append(os.getpid())
        if peer not in self.seats:
            raise EnvelopeError(sender=peer)
        if label == "break":
            raise OSError("the file of the key is gone")
        return f"{label} {message.hex()}"

    def open(self, peer, label, sealed):
        if not sealed.startswith(label):
            raise EnvelopeError(sender=peer)
        return bytes.fromhex(sealed.removeprefix(label))

    def seal_all(self, messages, label):
        return {peer: self.seal(peer, label, message) for peer, message in messages.items()}

    def announce(self, label, content, messages):
        return self.sign(label, content), self.seal_all(messages, label)

    def announced(self, peer, label, text):
        return self.open(peer, label, text)

    def sign(self, label, content):
        return self.seal(self.seats[0], label, content)

    def proven(self, peer, label, text):
        return self.open(peer, label, text)

    def pair(self, peer, label, seed, sealed):
        return sha256(f"{peer} {label} {seed.hex()} {sealed}".encode()).digest()


USER = "did:web:company.example"
SAID = [1.0, 2.5, 4.0]
LINUX = Path("/proc/self/fd").exists()


class Inline:
    """The double: one step at a time, in the loop's own helper threads."""

    rest = None

    def __init__(self, places: int = 2) -> None:
        self._free = asyncio.Semaphore(places)

    def free(self, member):
        return not self._free.locked()

    @asynccontextmanager
    async def place(self, member):
        async with self._free:
            yield self

    async def do(self, work):
        ended = []
        try:
            return await asyncio.to_thread(self._done, work, lambda: bool(ended))
        except asyncio.CancelledError:
            ended.append(True)
            raise

    def _done(self, work, cancelled):
        try:
            return work.done(cancelled)
        except MedspaceError:
            raise
        except MemoryError as error:
            raise StepTooLargeError(use=work.admission.use) from error
        except BaseException as error:
            raise UseFailedError(use=work.admission.use) from error

    async def holds(self, admission):
        return False

    async def sweep(self, keep):
        """There is nothing."""

    async def close(self):
        """There is nothing."""


def made(kind: str, folder: Path, places: int = 2, **more):
    if kind == "inline":
        return Inline(places)
    if kind == "thread":
        return ThreadRunner(places)
    engines = {(KIND, "obey"): Obedient}
    return ProcessRunner(
        folder / "steps", engines, lambda _asset: recipe_of(numbers, said=SAID), places=places, **more
    )


def work(name: str = "urn:uuid:1", memory: bytes | None = None, limits: StepLimits | None = None, **inputs) -> Work:
    engine = Obedient() if limits is None else replace(Obedient(), limits=limits)
    step = Step({"task": "obey"}, 1, "sum", inputs)
    source = numbers(SAID)
    return Work(admission(id=name), step, engine, source, SeededRandomness(1), ManualClock(), memory)


async def done(runner, what: Work, *, noted: bool = True, member: str = USER):
    async with runner.place(member) as place:
        output = await place.do(what)
        if not noted:
            raise StorageFullError
        return output


async def begun(folder: Path, count: int = 1) -> list[int]:
    """Wait until so many engines have begun; the numbers of their processes."""
    note = folder / "begun"
    while True:
        said = note.read_text().split() if note.exists() else []
        if len(said) >= count:
            return [int(number) for number in said]
        await asyncio.sleep(0.01)


def waiting(folder: Path, name: str = "urn:uuid:1", **more) -> Work:
    return work(name, do="wait", begun=str(folder / "begun"), go_on=str(folder / "go"), **more)


@contextmanager
def left(folder: Path, keys: Keys | None = None, **more):
    """A process at work whose connector is gone."""
    runner = made("process", folder)
    child = launched(runner.folder_of("urn:uuid:1"), runner.order(replace(waiting(folder, **more), keys=keys)))
    try:
        yield child
    finally:
        child._own.wait(30)
        child.let_go()


class RunnerContract:
    """What every runner does."""

    kind = ""

    @pytest.fixture
    async def runner(self, tmp_path):
        runner = made(self.kind, tmp_path)
        yield runner
        await runner.close()

    async def test_it_does_the_work_with_all_that_the_engine_may_touch(self, runner):
        output = await done(runner, work(memory=b"before"))
        assert output.values == {"sum": 7.5, "seed": admission().seed.hex()}
        assert (output.kind, output.cohort, output.memory, output.hold) == ("count.sum", 3, b"before+", True)

    async def test_it_reads_and_makes_parts(self, runner, tmp_path):
        blobs = FileBlobStore(tmp_path / "parts", 1 << 20, lambda: 0.0).of(Keeping("did:web:x", "urn:uuid:1"))
        with blobs.create("text/plain") as asked:
            asked.write(b"content")
        part = {"digest": asked.part.digest, "media_type": "text/plain", "size": 7}
        (made,) = (await done(runner, replace(work(do="copy", part=part), blobs=blobs))).parts
        with blobs.open(made) as opened:
            assert opened.read() == b"contentcontent"

    async def test_work_that_finds_no_memory_is_told_apart_and_the_next_is_done(self, runner):
        with pytest.raises(StepTooLargeError):
            await done(runner, work(do="exhaust"))
        assert (await done(runner, work("urn:uuid:2"))).values["sum"] == 7.5

    async def test_numbers_come_back_to_the_last_bit_and_what_is_not_finite_stays_so(self, runner):
        odd = (await done(runner, work(do="not_finite"))).values["odd"]
        assert math.isnan(odd[0])
        assert odd[1:] == [math.inf, 0.1 + 0.2]

    async def test_mail_for_other_seats_comes_back_with_the_output(self, runner):
        mail = {"did:web:b.example": "sealed"}
        assert (await done(runner, work(do="mail", outbox=mail))).outbox == mail

    async def test_an_engine_seals_opens_and_pairs_with_the_keys_that_stay_with_the_connector(self, runner):
        keys, peer = Keys(), "did:web:b.example"
        what = replace(work(do="seal", peer=peer, label="seed", sealed="seed 3132"), keys=keys)
        output = await done(runner, what)
        assert output.outbox == {peer: "seed 31"}
        assert output.values["opened"] == "12"
        assert output.values["pair"] == keys.pair(peer, "seed", b"1", "seed 31").hex()
        assert output.values["seats"] == list(keys.seats)
        assert keys.used == [os.getpid()]

    async def test_an_engine_seals_for_all_at_once_signs_and_proves(self, runner):
        keys = Keys()
        output = await done(runner, replace(work(do="sign", peers=list(keys.seats), label="said"), keys=keys))
        assert output.outbox == dict.fromkeys(keys.seats, "said 6d")
        assert (output.values["said"], output.values["proven"]) == ("said 6d", "m")
        assert output.values["heard"] == "to all"
        with pytest.raises(EnvelopeError):
            await done(runner, replace(work(do="sign", peers=["did:web:x.example"], label="said"), keys=keys))

    async def test_many_messages_and_a_large_one_are_sealed(self, runner):
        what = replace(work(do="seal_many", peer="did:web:b.example", count=300, size=1 << 20), keys=Keys())
        assert (await done(runner, what)).values["sealed"] == 300 + (2 << 20)

    async def test_what_the_keys_refuse_is_what_the_engine_hears(self, runner):
        with pytest.raises(EnvelopeError) as refused:
            await done(runner, replace(work(do="seal", peer="did:web:x.example", label="seed"), keys=Keys()))
        assert refused.value.facts == {"sender": "did:web:x.example"}
        with pytest.raises(UseFailedError):
            await done(runner, replace(work(do="seal", peer="did:web:b.example", label="break"), keys=Keys()))

    async def test_without_a_run_there_are_no_keys(self, runner):
        with pytest.raises(UseFailedError):
            await done(runner, work(do="seal", peer="did:web:b.example", label="seed"))

    async def test_how_far_a_long_step_is_is_heard_while_it_works(self, runner, tmp_path):
        heard, half = [], asyncio.Event()
        loop = asyncio.get_running_loop()

        def hear(done, of):
            heard.append((done, of))
            loop.call_soon_threadsafe(half.set)

        what = waiting(tmp_path, progress=[1, 2])
        task = asyncio.create_task(done(runner, replace(what, progress=hear)))
        async with asyncio.timeout(60):
            await half.wait()
        assert not task.done()
        (tmp_path / "go").touch()
        await task
        assert heard[0] == (1, 2)
        assert heard[-1] == (2, 2)

    async def test_what_makes_no_sense_as_progress_harms_nobody(self, runner):
        output = await done(runner, replace(work(do="boast"), progress=lambda done, of: None))
        assert output.cohort == 3

    async def test_an_error_of_the_engine_is_what_it_raised(self, runner):
        with pytest.raises(DisclosureError) as kept_back:
            await done(runner, work(do="refuse"))
        assert kept_back.value.cause_code == "privacy.few"
        with pytest.raises(InvalidInputError) as invalid:
            await done(runner, work(do="misread", column="x"))
        assert str(invalid.value.text) == "The input cannot be used: there is no column x."

    @pytest.mark.parametrize(("how", "trace"), [("break", "a bug in the engine"), ("exit", "")])
    async def test_an_engine_that_breaks_is_told_with_its_cause(self, runner, how, trace):
        with pytest.raises(UseFailedError) as broken:
            await done(runner, work(do=how))
        assert broken.value.facts["use"] == admission().use
        assert trace in str(broken.value.__cause__)
        assert (await done(runner, work())).cohort == 3

    async def test_places_are_bounded_and_given_back(self, tmp_path):
        runner = made(self.kind, tmp_path, places=1)
        first = asyncio.create_task(done(runner, waiting(tmp_path)))
        await begun(tmp_path)
        assert not runner.free(USER)
        second = asyncio.create_task(done(runner, work("urn:uuid:2")))
        done_now, _ = await asyncio.wait({second}, timeout=0.2)
        assert not done_now
        (tmp_path / "go").touch()
        assert [output.cohort for output in (await first, await second)] == [3, 3]
        await runner.close()

    async def test_who_is_cancelled_ends_the_work(self, runner, tmp_path):
        task = asyncio.create_task(done(runner, waiting(tmp_path)))
        await begun(tmp_path)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (tmp_path / "go").touch()
        assert (await done(runner, work())).cohort == 3

    async def test_it_has_nothing_that_it_was_not_given(self, runner):
        assert not await runner.holds("urn:uuid:1")
        await runner.sweep([])


class TestInline(RunnerContract):
    kind = "inline"


class TestThread(RunnerContract):
    kind = "thread"

    async def test_a_thread_that_does_not_end_keeps_its_place(self, tmp_path):
        runner = made(self.kind, tmp_path, places=1)
        task = asyncio.create_task(done(runner, waiting(tmp_path, polite=False)))
        await begun(tmp_path)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        later = asyncio.create_task(done(runner, work("urn:uuid:2")))
        done_now, _ = await asyncio.wait({later}, timeout=0.2)
        assert not done_now
        (tmp_path / "go").touch()
        assert (await later).cohort == 3
        await runner.close()

    async def test_one_member_leaves_a_place_for_the_others(self, tmp_path):
        """All places were held by one member's steps, and whoever came later waited behind all of them."""
        runner = made(self.kind, tmp_path, places=2)
        folders = [tmp_path / str(number) for number in range(3)]
        for folder in folders:
            folder.mkdir()
        steps = [asyncio.create_task(done(runner, waiting(folder, str(folder)))) for folder in folders]
        for folder in folders[:2]:
            await begun(folder)
        assert not runner.free(USER)
        other = await done(runner, work("urn:uuid:4"), member="did:web:other.example")
        assert other.cohort == 3
        assert not (folders[2] / "begun").exists()
        for folder in folders:
            (folder / "go").touch()
        assert [output.cohort for output in await asyncio.gather(*steps)] == [3, 3, 3]
        await runner.close()

    async def test_members_that_wait_have_places_in_turn(self, tmp_path):
        runner = made(self.kind, tmp_path, places=1)
        holds = [asyncio.create_task(done(runner, waiting(tmp_path), member=name)) for name in ("a", "b")]
        await begun(tmp_path, 2)
        order = []

        async def wait(name):
            async with runner.place(name):
                order.append(name)

        waits = []
        for name in ("c", "c", "c", "d"):  # one comes with much, and another one after it
            waits.append(asyncio.create_task(wait(name)))
            await asyncio.sleep(0)
        (tmp_path / "go").touch()
        await asyncio.gather(*holds, *waits)
        assert order.index("d") < 2
        await runner.close()


class TestProcess(RunnerContract):
    kind = "process"

    async def test_nothing_is_left_in_its_folder(self, runner, tmp_path):
        await done(runner, work())
        with pytest.raises(DisclosureError):
            await done(runner, work(do="refuse"))
        with pytest.raises(UseFailedError):
            await done(runner, work(do="break"))
        assert list((tmp_path / "steps").iterdir()) == []

    @pytest.mark.skipif(not LINUX, reason="reads /proc")
    async def test_it_sees_no_secret_of_the_connector_and_no_open_file(self, runner, tmp_path, monkeypatch):
        monkeypatch.setenv("MEDSPACE_KEY_PASSPHRASE", "secret")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        with (tmp_path / "open").open("w") as file:
            seen = (await done(runner, work(do="look"))).values
            assert str(file.fileno()) not in seen["descriptors"] or len(seen["descriptors"]) < 6
        assert set(seen["environment"]) <= {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH"}
        assert len(seen["descriptors"]) == 5  # three of its own, its lock, and that folder of them
        assert seen["mode"] == "0o40700"
        assert seen["session"]
        assert seen["core"] == [0, 0]
        assert Path(seen["folder"]).parent == tmp_path / "steps"

    async def test_memory_is_bounded(self, runner):
        with pytest.raises(StepTooLargeError, match="not enough memory"):
            await done(runner, work(do="swell", limits=StepLimits(megabytes=1024, runner="process")))
        assert (await done(runner, work("urn:uuid:2"))).values["sum"] == 7.5

    async def test_images_for_which_pytorch_finds_no_memory_are_told_apart_and_fewer_are_trained_on(self, runner):
        pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
        limits = StepLimits(megabytes=4096, runner="process")
        with pytest.raises(StepTooLargeError, match="not enough memory"):
            await done(runner, work(do="train", images=4000, limits=limits))
        few = await done(runner, work("urn:uuid:2", do="train", images=4, limits=limits))
        assert few.values["weights"] > 0

    @pytest.mark.parametrize("polite", [True, False])
    async def test_it_is_ended_whether_or_not_it_wants_to(self, tmp_path, polite):
        runner = made(self.kind, tmp_path, grace=0.2)
        task = asyncio.create_task(done(runner, waiting(tmp_path, polite=polite)))
        await begun(tmp_path)
        folder = runner.folder_of("urn:uuid:1")
        assert alive(folder)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not alive(folder)
        assert not folder.exists()
        await runner.close()

    async def test_work_goes_on_without_its_connector_and_is_found_again(self, tmp_path):
        with left(tmp_path):
            await self._find_again(tmp_path)

    async def _find_again(self, tmp_path):
        (number,) = await begun(tmp_path)
        after = made(self.kind, tmp_path)
        assert await after.holds("urn:uuid:1")
        await after.sweep(["urn:uuid:1"])
        again = asyncio.create_task(done(after, waiting(tmp_path)))
        (tmp_path / "go").touch()
        assert (await again).values["sum"] == 7.5
        assert await begun(tmp_path) == [number]  # it was not done twice

    async def test_a_result_that_was_left_is_taken_without_doing_it_again(self, tmp_path):
        runner = made(self.kind, tmp_path)
        (tmp_path / "go").touch()
        with pytest.raises(StorageFullError):
            await done(runner, waiting(tmp_path), noted=False)
        after = made(self.kind, tmp_path)
        assert await after.holds("urn:uuid:1")
        assert (await done(after, waiting(tmp_path))).cohort == 3
        assert len(await begun(tmp_path)) == 1
        assert not await after.holds("urn:uuid:1")

    async def test_one_member_does_not_hold_all_places(self, tmp_path):
        """With two places, two long steps of one member had everybody else wait for their ends."""
        runner = made(self.kind, tmp_path, places=2)
        (tmp_path / "b").mkdir()
        first = asyncio.create_task(done(runner, waiting(tmp_path)))
        await begun(tmp_path)
        second = asyncio.create_task(done(runner, waiting(tmp_path / "b", "urn:uuid:2")))
        assert not runner.free(USER)
        assert runner.free("did:web:other.example")
        other = await done(runner, work("urn:uuid:3"), member="did:web:other.example")
        assert other.cohort == 3
        assert not (tmp_path / "b" / "begun").exists()
        for folder in (tmp_path, tmp_path / "b"):
            (folder / "go").touch()
        assert [output.cohort for output in (await first, await second)] == [3, 3]
        await runner.close()

    @pytest.mark.parametrize("version", ["new", "old"])
    async def test_a_result_of_other_rows_is_not_taken_for_one_of_these(self, tmp_path, version):
        """It was filed under the version that the file had after the kill; the control is the same version."""
        runner = made(self.kind, tmp_path)
        (tmp_path / "go").touch()
        with pytest.raises(StorageFullError):
            await done(runner, replace(waiting(tmp_path), version="old"), noted=False)
        assert (await done(made(self.kind, tmp_path), replace(waiting(tmp_path), version=version))).cohort == 3
        assert len(await begun(tmp_path)) == (2 if version == "new" else 1)

    async def test_what_is_not_repeatable_is_not_done_on_other_rows(self, tmp_path):
        once = StepLimits(runner="process", repeatable=False)
        with left(tmp_path, limits=once):
            await begun(tmp_path)
            with pytest.raises(UseFailedError):
                await done(made(self.kind, tmp_path), replace(waiting(tmp_path, limits=once), version="new"))
            assert len(await begun(tmp_path)) == 1

    async def test_a_process_on_other_rows_is_ended(self, tmp_path):
        with left(tmp_path, polite=False) as child:
            await begun(tmp_path)
            assert (await done(made(self.kind, tmp_path), replace(work(), version="new"))).cohort == 3
            await child.ended()

    async def test_what_nobody_wants_any_more_is_swept_away(self, tmp_path):
        with left(tmp_path, polite=False) as child:
            await begun(tmp_path)
            await made(self.kind, tmp_path).sweep(["urn:uuid:2"])
            assert not child.folder.exists()
            await child.ended()

    @pytest.mark.parametrize("part", ["result.json.part", "work.json"])
    async def test_a_folder_that_was_left_half_made_is_made_anew(self, tmp_path, part):
        runner = made(self.kind, tmp_path)
        folder = runner.folder_of("urn:uuid:1")
        folder.mkdir(parents=True)
        (folder / part).write_text("{")
        assert not await runner.holds("urn:uuid:1")
        assert (await done(runner, work())).cohort == 3

    @pytest.mark.parametrize("said", ["", "[]", '{"output": {}}', '{"error": {"class": "os:system", "says": {}}}'])
    async def test_a_result_that_is_none_fails_the_use(self, tmp_path, said):
        runner = made(self.kind, tmp_path)
        folder = runner.folder_of("urn:uuid:1")
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(said)
        write_order(folder, runner.order(work()))
        with pytest.raises(UseFailedError):
            await done(runner, work())

    async def test_an_engine_that_another_process_would_not_find_is_said(self, tmp_path):
        runner = ProcessRunner(
            tmp_path, {(KIND, "obey"): lambda *_: Obedient()}, lambda _: recipe_of(numbers, said=[])
        )
        with pytest.raises(UseFailedError) as broken:
            await done(runner, work())
        assert isinstance(broken.value.__cause__, ValueError)

    async def test_where_the_system_does_not_tell_it_is_looked_after(self, tmp_path, monkeypatch):
        monkeypatch.setattr("medspace.adapters.runner.process._handle", lambda _pid: None)
        runner = made(self.kind, tmp_path)
        assert (await done(runner, work())).cohort == 3

    async def test_who_asks_without_a_connector_waits_for_the_next_one(self, tmp_path):
        """The connector was killed before the engine wanted to seal; the next one answers the same process."""
        keys = Keys()
        seal = {"peer": "did:web:b.example", "label": "seed", "sealed": "seed 3132"}
        with left(tmp_path, keys=keys, then=seal) as child:
            (number,) = await begun(tmp_path)
            (tmp_path / "go").touch()
            assert alive(child.folder)
            after = made(self.kind, tmp_path)
            output = await done(after, replace(waiting(tmp_path, then=seal), keys=keys))
            assert output.outbox == {"did:web:b.example": "seed 31"}
            assert await begun(tmp_path) == [number]

    async def test_messages_of_one_step_are_bounded(self, runner, monkeypatch):
        monkeypatch.setattr("medspace.adapters.runner.line.MOST_ASKED", 3)
        few = replace(work(do="seal_many", peer="did:web:b.example", count=2, size=1), keys=Keys())
        assert (await done(runner, few)).cohort == 3
        with pytest.raises(PeersAbsentError):
            await done(runner, replace(work(do="seal_many", peer="did:web:b.example", count=4, size=1), keys=Keys()))

    async def test_a_message_that_is_too_large_is_not_asked_for(self, runner):
        with pytest.raises(PeersAbsentError):
            await done(
                runner, replace(work(do="seal_many", peer="did:web:b.example", count=1, size=8 << 20), keys=Keys())
            )

    async def test_what_is_no_question_is_refused(self, runner):
        with pytest.raises(PeersAbsentError):
            await done(runner, replace(work(do="seal", peer=7, label="seed"), keys=Keys()))

    async def test_in_a_folder_with_a_long_name_it_speaks_as_well(self, tmp_path):
        folder = tmp_path.joinpath("a" * 60, "b" * 60)
        folder.mkdir(parents=True)
        runner = made(self.kind, folder)
        what = replace(work(do="seal_many", peer="did:web:b.example", count=1, size=1), keys=Keys())
        assert (await done(runner, what)).cohort == 3
        await runner.close()
