"""One masked task over FHIR files, a FHIR server and CSV: the model is that of all rows together."""

from tests.hearts import fitted, gap


def test_a_model_across_forms_is_that_of_all_rows_together(tmp_path):
    run = fitted(tmp_path)
    assert run["state"] == "finished", run
    assert [site["status"] for site in run["model"]["sites"]].count("took_part") == 4
    assert gap(run) <= 1e-8
