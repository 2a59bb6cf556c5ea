import contextlib
import io
import time

from verixplain.cli import _show


def said(monkeypatch, capsys, patience, seconds):
    monkeypatch.setattr(_show, "PATIENCE", patience)
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    with _show.progress() as tell, contextlib.redirect_stderr(io.StringIO()):
        tell("bound", 3, 7)
        time.sleep(seconds)
    return capsys.readouterr()


def test_a_long_stage_has_a_bar_even_while_others_are_silenced(monkeypatch, capsys):
    captured = said(monkeypatch, capsys, 0.0, 0.5)
    assert captured.out == ""
    assert "bound" in captured.err
    assert "3/7" in captured.err


def test_a_short_stage_has_none(monkeypatch, capsys):
    assert said(monkeypatch, capsys, 60.0, 0.0) == ("", "")


def test_words_of_others_are_no_markup(capsys):
    _show.show_rows([("group", "score"), ("[red]0[/red]", "1")])
    assert "[red]0[/red]" in capsys.readouterr().out
