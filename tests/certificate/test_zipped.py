"""The checker as one file, without this package and without what it needs."""

import json
import subprocess
import sys

from tests.checker.tampering import tampered
from verixplain.certificate.zipped import build


def test_one_file_checks_like_the_package_and_holds_nothing_else(tmp_path):
    program = build(tmp_path / "checker.pyz")
    model, certificate = tampered([])
    (tmp_path / "model.onnx").write_bytes(model)
    (tmp_path / "good.vxcert").write_bytes(certificate)
    (tmp_path / "cut.vxcert").write_bytes(certificate[:-1])
    words = [sys.executable, "-I", str(program), "model.onnx", "good.vxcert", "cut.vxcert"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["verdict"], second["verdict"], done.returncode) == ("ACCEPTED", "REFUSED", 2)
    assert first["semantics"] == {"real": "ACCEPTED", "float32": "ACCEPTED"}

    def loaded(name: str) -> str:
        return f"import sys; sys.path.insert(0, {str(program)!r}); import verixplain.{name}"

    for name, code in (("checker.steps", 0), ("query", 1)):
        done = subprocess.run([sys.executable, "-I", "-c", loaded(name)], capture_output=True)
        assert done.returncode == code
