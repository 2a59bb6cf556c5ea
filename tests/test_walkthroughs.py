"""The two walk-throughs of experiments/ are run, the assessor's on what the engineer's made."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from verixplain import cli

ROOT = Path(__file__).parents[1]
EXIT = re.compile(r" # exits with (\d+)$")


def lines(name: str) -> list[tuple[list[str], int]]:
    """Commands with the exit code that the text says."""
    text = (ROOT / "experiments" / f"walkthrough_{name}" / "README.md").read_text("utf-8")
    found = []
    for block in re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            code = EXIT.search(line)
            words = shlex.split(EXIT.sub("", line))
            found.append((words, int(code[1]) if code else 0))
    return found


def run(words: list[str]) -> int:
    if words[0] == "verixplain":
        return cli.execute(words[1:])
    return subprocess.run([sys.executable, *words[1:]], capture_output=True).returncode


def test_both_ways_can_be_gone(tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "models", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    for name in ("engineer", "assessor"):
        commands = lines(name)
        assert len(commands) >= 4
        for words, code in commands:
            assert run(words) == code, (words, capsys.readouterr())
    page = (tmp_path / "report" / "items" / "1.html").read_text("utf-8")
    for words in ("It says", "It does not say", "for which inputs", "by which arithmetic",
                  "verixplain.checker digits_cnn.onnx evidence/0/claim-0.vxcert"):  # fmt: skip
        assert words in page
    assert "[29.2 %, 100.0 %]" in (tmp_path / "report" / "index.html").read_text("utf-8")
