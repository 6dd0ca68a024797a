"""docs/fit.md: its commands run, and the fits find what the maps were made with."""

import re

import pytest

CELL = r"-?[\d.]+"


def table(text, name):
    """Value and error of each parameter that a page says a fit has found."""
    shown = text.split(f"<!-- output of the fit of {name}: begin -->")[1].split("<!-- output")[0]
    return {row[0]: (float(row[1]), float(row[2])) for row in re.findall(rf"^  (\w+) +({CELL}) +({CELL}) +meV", shown, flags=re.M)}


@pytest.mark.slow
def test_fits_of_the_page(repository, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(repository / "docs")
    import make_docs

    page = (repository / "docs" / "fit.md").read_text(encoding="utf-8")
    found = make_docs.fit_page(tmp_path)
    for name in ("honeycomb", "cubic"):
        (line,) = re.findall(rf"^insdl simulate -m {name}.*$", page, flags=re.M)
        true = {key: float(value) for key, value in re.findall(rf"--set (\w+)=({CELL})", line)}
        now, written = table(found, name), table(page, name)
        assert set(now) == set(written) == set(true) and len(true) == 3
        for key, (value, error) in now.items():
            assert abs(value - true[key]) < 3.5 * error < 0.5 * abs(true[key]), (name, key)
            assert written[key][0] == pytest.approx(value, abs=0.2 * error), "run python docs/make_docs.py"
            assert written[key][1] == pytest.approx(error, rel=0.2)
