"""The page on paper, printed by a Chromium where there is one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from verixplain.errors import MissingDependencyError, OutputError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 120.0


def browser() -> str | None:
    """A Chromium of this machine; `VERIXPLAIN_CHROMIUM` names one elsewhere."""
    named = os.environ.get("VERIXPLAIN_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def print_pdf(page: Path) -> bytes:
    """The page as PDF.

    Raises:
        MissingDependencyError: there is no Chromium.
        OutputError: it printed nothing.
    """
    program = browser()
    if program is None:
        raise MissingDependencyError(
            "--pdf needs Chromium or Chrome, and there is none on the path; install one, or name "
            "it with VERIXPLAIN_CHROMIUM. (Any browser prints index.html as well.)"
        )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "report.pdf")
        words = [
            program, "--headless", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []), page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutputError(f"{program} printed nothing: {error}") from error
        if done.returncode != 0 or not target.is_file():
            raise OutputError(f"{program} printed nothing: {done.stderr.strip()[-500:]}")
        return target.read_bytes()
