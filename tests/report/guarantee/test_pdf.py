"""The page on paper, where there is a Chromium; a clear word where there is none."""

import pytest

from verixplain import cli
from verixplain.report.guarantee import pdf


def test_without_a_browser_it_says_what_is_missing(certified, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pdf, "browser", lambda: None)
    words = ["report", str(certified), "--out", str(tmp_path / "report"), "--pdf"]
    assert cli.execute(words) == 4
    assert "VERIXPLAIN_CHROMIUM" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_a_browser_that_prints_nothing_is_an_error(certified, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VERIXPLAIN_CHROMIUM", "false")
    words = ["report", str(certified), "--out", str(tmp_path / "report"), "--pdf"]
    assert cli.execute(words) == 4
    assert "printed nothing" in capsys.readouterr().err


@pytest.mark.skipif(pdf.browser() is None, reason="no Chromium on the path")
def test_the_page_is_printed(certified, tmp_path):
    words = ["report", str(certified), "--out", str(tmp_path / "report"), "--pdf"]
    assert cli.execute(words) == 1
    assert (tmp_path / "report" / "report.pdf").read_bytes().startswith(b"%PDF-")
