"""The page of an explanation in a browser, where there is one."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mantid_insdl.pages.html import bullets, document, paragraph, picture, table

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def page():
    from io import BytesIO

    from matplotlib.figure import Figure

    png = BytesIO()
    Figure(figsize=(2, 1)).savefig(png, format="png")
    words = [paragraph("5 < 6 & more"), bullets(["<script>alert(1)</script>"]), table(("a",), [("1",)])]
    parts = [*words, picture(png.getvalue(), 'a "caption"')]
    return document("Why <this>?", parts)


def test_what_is_text_stays_text():
    text = page()
    assert "<script>" not in text and "5 &lt; 6 &amp; more" in text and "<title>Why &lt;this&gt;?</title>" in text
    assert 'alt="a &quot;caption&quot;"' in text


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_browser_shows_it_without_a_network(tmp_path):
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    offline, address = "--host-resolver-rules=MAP * ~NOTFOUND", (tmp_path / "page.html").as_uri()

    def browser(what: str) -> str:
        done = subprocess.run([CHROMIUM, *options, offline, what, address], capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    shown = browser("--dump-dom")
    assert "<figcaption>" in shown and "5 &lt; 6 &amp; more" in shown
    file = tmp_path / "page.png"
    browser(f"--screenshot={file}")
    assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5000
