"""The rows of an asset in the process of a step are those that the connector was started with, or none."""

import msgspec
import pytest

from medspace.app.node.aside import RowsChangedError, sources_of
from medspace.app.node.config import read_config
from medspace.app.node.holdings import open_holdings
from tests.admissions import admission
from tests.e2e.space import ASSET, Holding, Stage, table


@pytest.fixture
def node(tmp_path):
    stage = Stage(tmp_path)
    yield stage.add("clinic", Holding(table(1)))
    stage.end()


def test_the_same_rows_are_opened_again_and_others_are_not(node):
    config = read_config(node.file)
    (held,) = open_holdings(config)
    recipe = sources_of(config, {ASSET: held.dataset.digest})(ASSET)
    rows = recipe.made().open(admission(asset=ASSET))
    assert (rows.count, len(rows.codes("sex"))) == (60, 60)
    (node.folder / "rows.csv").write_text(table(2))
    with pytest.raises(RowsChangedError):
        recipe.made()


def test_an_asset_that_was_configured_later_is_opened_as_it_is_configured_now(node):
    config = read_config(node.file)
    (held,), (asset,) = open_holdings(config), config.assets
    contents, configured = {}, {}
    sources = sources_of(msgspec.structs.replace(config, assets=()), contents, configured)
    contents["later"], configured["later"] = held.dataset.digest, msgspec.structs.replace(asset, id="later")
    assert sources("later").made().open(admission(asset="later")).count == 60
