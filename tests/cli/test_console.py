"""Progress: a bar on a terminal, few lines in a log."""

import pytest

from mantid_insdl.cli import console
from mantid_insdl.progress import share_of


def test_log_has_one_line_a_stage_not_one_a_number(capsys):
    with console.progress_reporter() as report:
        for i in range(100):
            report(i / 100, f"simulated {i} of 100")
        report(1.0, "drawing")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["  0% simulated 0 of 100", "100% drawing"]


def test_log_shows_life_after_a_while(capsys, monkeypatch):
    now = iter([0.0, 5.0, 11.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.progress_reporter() as report:
        for i in range(3):
            report(i / 3, f"map {i}")
    assert capsys.readouterr().err.splitlines() == ["  0% map 0", " 67% map 2"]


def test_quiet(capsys):
    with console.progress_reporter(quiet=True) as report:
        report(0.5, "working")
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(console.sys.stderr, "isatty", lambda: True)
    with console.progress_reporter() as report:
        report(0.5, "denoising")
    assert capsys.readouterr().out == ""


def test_share_of_the_work():
    seen = []
    part = share_of(lambda fraction, text: seen.append((fraction, text)), 0.2, 0.6)
    part(0.0, "a")
    part(1.0, "b")
    assert seen == [(pytest.approx(0.2), "a"), (pytest.approx(0.6), "b")]
