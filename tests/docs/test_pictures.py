"""The pictures of the pages are small, and README.md shows the one of the reader's colour scheme."""

import re
from pathlib import Path

from tests.docs.pictures import LARGEST, SCHEMES, file_of

ROOT = Path(__file__).resolve().parents[2]


def test_readme_shows_small_pictures_of_both_colour_schemes() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for scheme in SCHEMES:
        file = file_of(scheme)
        assert file.read_bytes()[8:12] == b"WEBP"
        assert file.stat().st_size <= LARGEST
        assert file.relative_to(ROOT).as_posix() in readme
    assert re.search(r'media="\(prefers-color-scheme: dark\)" srcset="docs/pages-dark', readme)
