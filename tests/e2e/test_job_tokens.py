"""A use that was started by the version before goes on, with the token that its user has."""

from hashlib import sha256

from tests.e2e.space import hospital, staged, step


def test_a_use_of_the_version_before_goes_on(tmp_path):
    with staged(tmp_path) as stage:
        stage.add("authority")
        clinic = stage.add("clinic", hospital(2))
        stage.add("user")
        secret = clinic.folder / "keys" / "jobs.secret"
        # What the version before derived its tokens from at every start; it kept no file.
        secret.write_text(sha256(clinic.signer.sign(b"medspace job tokens, version 1")).hexdigest())
        secret.chmod(0o600)
        stage.open()
        stage.admit()
        use = stage.space("user").request(stage.agree("user", "clinic"), "medspace:train")["id"]
        stage.close("clinic")
        secret.unlink()
        stage.open("clinic")
        answer = stage.ask("user", "clinic", use, step())
        assert answer.status_code == 200, answer.text
        kept = secret.read_text()
        stage.close("clinic")
        stage.open("clinic")
        assert secret.read_text() == kept
        assert stage.ask("user", "clinic", use, step()).json() == answer.json()
