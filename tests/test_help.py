"""Every `--help` is quick: a person types it while thinking of something else."""

import resource
import subprocess
import sys

import pytest

from verixplain.cli import commands

LIMIT = 0.5
HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "matplotlib", "rich", "auto_LiRPA")


@pytest.mark.parametrize("command", [None, *commands])
def test_help_takes_less_than_half_a_second(command):
    words = [command, "--help"] if command else ["--help"]
    program = f"from verixplain.cli import main; main({words!r})"
    seconds = []
    for _ in range(8):  # processor time, and the least of it: other processes' load is no matter
        begin = _spent()
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        seconds.append(_spent() - begin)
        if seconds[-1] < LIMIT:
            break
    assert "Usage: verixplain" in done.stdout
    assert min(seconds) < LIMIT


def _spent() -> float:
    """Processor seconds of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("command", [None, *commands])
def test_help_imports_nothing_heavy(command):
    words = [command, "--help"] if command else ["--help"]
    program = (
        "import sys\nfrom verixplain.cli import execute\n"
        f"assert execute({words!r}) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", list(commands))
def test_every_command_has_help_and_says_how_to_see_tracebacks(command):
    from verixplain.cli import app

    found = app.get_command(None, command)
    assert found.help
    assert any("--debug" in parameter.opts for parameter in found.params)
    assert len(found.get_short_help_str(65)) < 66
