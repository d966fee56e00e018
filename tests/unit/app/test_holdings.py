"""The catalogue follows the configuration: what is no longer configured is neither offered nor permitted."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.node.config import read_config
from medspace.app.node.holdings import PAGE, Prepared, arrange, offer, open_holdings, prepare
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, Dataset
from medspace.connector.usage import rules
from medspace.connector.usage.model import LABELS
from medspace.core.dictionary import Dictionary
from medspace.core.material import Form, Published
from medspace.ledger.model import decode
from medspace.policy import templates
from medspace.policy.labels import decide, parse
from medspace.policy.points import Point
from medspace.trust.model import Facts

DID = "did:web:holder.example"
KINDS = {"medspace:train"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PURPOSE = "ehds:HealthcareScientificResearch"
LABEL = {"purposes": [PURPOSE], "kinds": ["medspace:train"], "regions": ["World"], "sensitivity": "non-public"}


LOCAL = Local(DID, "https://holder.example/dsp", ManualClock(NOW), SeededRandomness())


@dataclass(frozen=True)
class Nothing:
    """The content of an asset of which the test wants none."""

    source: None = None
    count: int = 0
    persons: int = 50
    digest: str = "sha256:" + 64 * "0"
    warnings: tuple = ()

    def published(self, least):
        return Published(Dictionary("Nothing", ()))


def prepared(asset):
    terms = templates.build("train-only", offer_id=f"{DID}:offer:{asset}")
    dataset = Dataset(asset, asset, "", (), (terms,), ("medspace:train",), "sha256:" + 64 * "0", "", described="d")
    return Prepared(dataset, LABEL, Form.TABLE, Dictionary("Nothing", ()), 10, None, None, lambda *_: Nothing())


async def started(database, wanted):
    """What a start writes: first what needs no content, then each asset as it was opened."""
    await database.write(lambda tx: arrange(tx, LOCAL, wanted, KINDS))
    for one in wanted:
        held = one.open()
        await database.write(lambda tx, held=held: offer(tx, LOCAL, held, KINDS))


def published(*configurations):
    """The database after a connector was started on each of these configurations, one after the other."""
    database = MemoryDatabase()

    async def work():
        for assets in configurations:
            await started(database, [prepared(asset) for asset in assets])
        return await database.read(
            lambda tx: (
                [dataset.id for dataset in tx.find(CATALOGUE, limit=10 * PAGE)],
                [labelled.id for labelled in tx.find(LABELS, limit=10 * PAGE)],
                [decode(entry).kind for entry in tx.log.entries(0, tx.log.size())],
            )
        )

    return asyncio.run(work())


def test_what_is_configured_no_longer_is_withdrawn_and_loses_its_label():
    offered, labelled, entries = published(("a", "b"), ("b",))
    assert offered == labelled == ["b"]
    started = ["label.changed"] * 2 + ["offer.published"] * 2
    assert entries == [*started, "offer.withdrawn", "label.changed"]


def test_without_its_label_an_asset_is_not_used_under_agreements_that_stay():
    case = rules.Case(Facts("did:web:user.example", "FR"), NOW, 0)
    request = rules.request_for("medspace:train", "a", case, {"purpose": PURPOSE})
    assert decide(parse(LABEL), request, Point.COMPUTE).permitted
    assert not decide(parse(None), request, Point.COMPUTE).permitted


def test_starting_again_on_the_same_configuration_says_nothing_new():
    assert published(("a",), ("a",)) == published(("a",))


def test_a_catalogue_of_many_pages_is_withdrawn_to_its_end():
    many = [f"asset-{number:05d}" for number in range(2 * PAGE + 1)]
    assert published(many, ())[:2] == ([], [])


CONFIG = """
assets = [{id = "clinic", title = "Clinic", source = "rows.csv", dictionary = "clinic.toml", label = LABEL, offers = [
  {template = "train-only"}]}]
[participant]
name = "Clinic"
[public]
port = 8101
[private]
port = 8102
[space]
authority = "did:web:authority.example"
authority_key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
""".replace("LABEL", f'{{purposes = ["{PURPOSE}"], kinds = ["medspace:train"], regions = ["World"]}}')


def write(folder, rows):
    """A configuration with one dataset of these rows."""
    (folder / "c.toml").write_text(CONFIG)
    (folder / "clinic.toml").write_text('title = "Clinic"\n[columns.age]\ntype = "integer"\nunit = "a"\n')
    (folder / "rows.csv").write_text("age\n" + "".join(f"{row}\n" for row in rows))


def opened(folder, rows):
    """The only dataset of a configuration, with these rows."""
    write(folder, rows)
    (held,) = open_holdings(read_config(folder / "c.toml"))
    return held


def test_a_dataset_carries_its_dictionary_and_names_its_content(tmp_path):
    held = opened(tmp_path, [60, 70])
    assert held.dataset.digest == held.checked.digest
    assert [column["name"] for column in held.dataset.dictionary["columns"]] == ["age"]
    assert opened(tmp_path, [60, 70]).dataset == held.dataset
    assert opened(tmp_path, [60, 71]).dataset.digest != held.dataset.digest


def test_other_rows_are_published_anew(tmp_path):
    database = MemoryDatabase()

    async def work(rows):
        write(tmp_path, rows)
        await started(database, prepare(read_config(tmp_path / "c.toml")))
        entries = await database.read(lambda tx: [decode(entry) for entry in tx.log.entries(0, tx.log.size())])
        return [entry.facts["dataset"] for entry in entries if entry.kind == "offer.published"]

    first = asyncio.run(work([60, 70]))
    assert asyncio.run(work([60, 70])) == first
    assert len(set(asyncio.run(work([60, 71])))) == 2
