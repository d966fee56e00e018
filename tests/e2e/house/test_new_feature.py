"""The feature that docs/house.md shows works as it is written there, and touches one file outside its folder."""

from bench import house


def test_the_feature_of_the_page_works_and_touches_the_list_of_features_only():
    assert [name for name, _ in house.pages()] == [
        f"remarks/{name}.py" for name in ("__init__", "model", "service", "api", "sdk", "verbs")
    ]
    assert house.with_feature() == ["medspace/app/compose/features.py"]
