"""README is run: its Python, its commands, and the texts in it that the code generates.

`python tests/test_readme.py` writes those texts anew.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from verixplain import cli
from verixplain.registry import bound_methods, checks, methods, metrics

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    lines = "\n".join(blocks("bash")).splitlines()
    return [line for line in lines if line.startswith("verixplain ")]


def shown_help() -> str:
    program = "from verixplain.cli import main; main(['--help'])"
    environment = {"COLUMNS": "80", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    return f"```text\n$ verixplain --help\n{done.stdout}```\n"


def shown_parts() -> str:
    lines = []
    for registry in (methods, bound_methods, metrics, checks):
        about = ("better", "range", "unit", "looks at") if registry is metrics else ()
        columns = (registry.kind, "what it is", *about)
        lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for name in registry:
            words = (registry[name].__doc__ or "").strip().split("\n\n")[0]
            cells = [f"`{name}`", " ".join(words.split())]
            lines.append(
                "| " + " | ".join(cells + (stated(registry[name]) if about else [])) + " |"
            )
        lines.append("")
    return "\n".join(lines)


def stated(metric) -> list[str]:
    """Direction, range, unit, and what is read of the network (with what replaces inputs)."""
    low, high = metric.range
    ends = f"{low:g} to {high:g}" if high < float("inf") else f"from {low:g}"
    replaced = f"; inputs replaced by {metric.replaces}" if metric.replaces else ""
    seen = "softmax" if metric.looks_at == "probability" else metric.looks_at
    needs = {"": "the map", "mask": "the map and a mask"}.get(metric.needs, f"the {metric.needs}")
    looks = needs if seen == "nothing" else seen
    return [metric.direction, ends, metric.unit, looks + replaced]


TEXTS = {"help": shown_help, "parts": shown_parts}


def renewed() -> str:
    return GENERATED.sub(lambda found: found[1] + TEXTS[found[2]]() + found[4], README)


def test_generated_texts_are_current():
    assert renewed() == README, "run: python tests/test_readme.py"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "models", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs(folder, capsys):
    found = commands()
    assert len(found) >= 4
    for line in found:
        assert cli.execute(shlex.split(line)[1:]) == 0, (line, capsys.readouterr().err)
    for name in ("demo", "eight"):
        assert (folder / "verixplain-out" / name / "heatmap.png").is_file()


def test_every_python_block_runs(folder, capsys):
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert said.startswith("(1, 8, 8)\nestimate\n")
    assert "\nprediction certified class 8 stays ahead" in said
    assert (folder / "verixplain-out" / "eight" / "explanation.json").is_file()


def test_the_card_in_it_is_one(tmp_path):
    from verixplain.network.card import Card

    (block,) = blocks("toml")
    (tmp_path / "card.toml").write_text(block)
    assert Card.read(tmp_path / "card.toml").labels == ("cat", "dog")


if __name__ == "__main__":
    (ROOT / "README.md").write_text(renewed(), encoding="utf-8")
