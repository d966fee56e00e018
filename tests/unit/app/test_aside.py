"""The rows of an asset in the process of a step are those that the connector was started with, or none."""

import pytest

from medspace.app.aside import RowsChangedError, sources_of
from medspace.app.config import read_config
from medspace.app.holdings import open_holdings
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
