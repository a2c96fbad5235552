"""What holds in every test of a pull."""

from typing import Any
from weakref import WeakSet

import pytest

from orderpull.landing.local import LocalSourceLanding
from orderpull.sources.http.token_store import NOTE
from orderpull.sources.page_writer import PageWriter


@pytest.fixture(autouse=True)
def notes_follow_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a note about pages is written while one of them waits to be landed."""
    writers: WeakSet[PageWriter] = WeakSet()
    init, keep = PageWriter.__init__, LocalSourceLanding.keep_note

    def created(writer: PageWriter, *given: Any, **named: Any) -> None:
        writers.add(writer)
        init(writer, *given, **named)

    def kept(landing: LocalSourceLanding, name: str, data: bytes) -> None:
        waiting = [w for w in writers if w._held is not None and w._landing is landing]
        assert name == NOTE or not waiting, f"{name} is written before a page"
        keep(landing, name, data)

    monkeypatch.setattr(PageWriter, "__init__", created)
    monkeypatch.setattr(LocalSourceLanding, "keep_note", kept)
