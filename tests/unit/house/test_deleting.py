"""Which tests are left when a feature is deleted: those that name it nowhere, at first or second hand."""

from bench._deleting import imported


def test_what_files_import_is_found_even_where_they_import_one_another(tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    said = {
        "test_a.py": "from tests.one import x\nimport json\n",
        "one.py": "from tests.two import y\n",
        "two.py": "def later():\n    from tests.one import x\n    from tests import three\n",
        "three.py": "",
        "four.py": "",
    }
    for name, text in said.items():
        (tests / name).write_text(text)
    names = {one.name for one in imported(tmp_path, tests / "test_a.py")}
    assert names == {"test_a.py", "one.py", "two.py", "three.py"}
