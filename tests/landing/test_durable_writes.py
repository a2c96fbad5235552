"""A file under its final name is whole and on the disk; a disk that cannot take it is told."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orderpull.errors import LandingError
from orderpull.landing.local import LocalLanding
from tests.landing.full_disk import mounted, unwritable
from tests.landing.landings import Place
from tests.landing.pages import BODY, land, leftovers, meta, new_landing

LAND = """
from pathlib import Path
from tests.landing.full_disk import mounted, unwritable
from tests.landing.pages import land, new_landing
land(new_landing(Path(@)))
"""


class Recorder:
    """Notes which system calls are made for which file, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        self._names: dict[int, str] = {}
        for name in ("open", "write", "fsync", "close", "rename"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def _noting(self, name: str, real: Callable[..., int]) -> Callable[..., int]:
        def noted(first: int | Path, *more: object, **named: object) -> int:
            done = real(first, *more, **named)
            if name == "open":
                self._names[done] = Path(str(first)).name
            elif name == "rename":
                self.calls.append((name, Path(str(more[0])).name))
            elif name != "close":
                self.calls.append((name, self.name_of(first)))
            return done

        return noted

    def name_of(self, file: int | Path) -> str:
        """The name of a file, given as a path or as the number it was opened under."""
        return self._names.get(file, "?") if isinstance(file, int) else file.name


def test_bytes_are_synced_before_the_name_and_the_name_before_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write, fsync, rename, fsync of the folder: in this order, for a page in a new month."""
    landing = new_landing(tmp_path)
    with monkeypatch.context() as patch:
        recorder = Recorder(patch)
        land(landing)
    page = "000000000001.json.zst"
    month = landing.file_of(1).parent.name
    assert recorder.calls == [
        ("fsync", "shop"),  # the new month's name
        ("write", f"{page}.tmp"),
        ("write", f"{page}.tmp"),
        ("fsync", f"{page}.tmp"),
        ("rename", page),
        ("fsync", month),
    ]


def test_the_kernel_sees_the_same_order(tmp_path: Path) -> None:
    """The calls that reach the kernel, as strace sees them, are in that order too."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("there is no strace here")
    trace = tmp_path / "trace"
    calls = "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2"
    program = [sys.executable, "-c", LAND.replace("@", repr(str(tmp_path)))]
    done = subprocess.run(
        [strace, "-y", "-o", str(trace), "-e", calls, *program], capture_output=True, check=False
    )
    if not trace.exists() or "exited with 0" not in trace.read_text(encoding="utf-8"):
        pytest.skip(f"strace is not allowed here: {done.stderr.decode()[-200:]}")
    steps = []
    for line in trace.read_text(encoding="utf-8").splitlines():
        call = line.partition("(")[0]
        if "000000000001.json.zst" in line and call != "openat":
            steps.append(call)
        elif steps and call == "fsync":
            steps.append("fsync folder")
    assert steps[-4:] == ["write", "fsync", "rename", "fsync folder"]
    assert steps.count("rename") == 1
    assert "write" not in steps[steps.index("rename") :]


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
def test_a_failing_step_leaves_no_page_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Whichever step fails: a sentence, no page under its name, and no half file in the way."""
    landing = new_landing(tmp_path)
    with monkeypatch.context() as patch:
        recorder, real = Recorder(patch), getattr(os, failing)

        def fail(first: int | Path, *more: object) -> object:
            if recorder.name_of(first).endswith(".tmp"):
                raise OSError(28, "No space left on device")
            return real(first, *more)

        patch.setattr(os, failing, fail)
        with pytest.raises(LandingError, match="No space left on device") as caught:
            land(landing)
    assert "Make room" in caught.value.hint
    assert landing.pages() == []
    assert leftovers(landing) == []
    land(landing)
    assert landing.read(1)[1] == BODY


def test_a_write_that_takes_less_than_it_is_given_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that writes seven bytes at a time makes the same page, and the same draft."""
    landing = new_landing(tmp_path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:7]))
        land(landing)
        draft = landing.begin_request(2, "GET http://shop.test/orders")
        draft.answered(200)
        draft.write(BODY)
        draft.close()
    assert landing.read(1)[1] == BODY
    (found,) = landing.requests_in_flight()
    assert (found.request, found.status, found.body) == ("GET http://shop.test/orders", 200, BODY)


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    """Where the folder should be stands a file: one sentence, exit 2."""
    (tmp_path / "landing").write_text("I was here first", encoding="utf-8")
    refused(tmp_path / "landing", "Not a directory")
    (tmp_path / "other" / "shop").mkdir(parents=True)
    (tmp_path / "other" / "shop" / "in-flight").write_text("me too", encoding="utf-8")
    refused(tmp_path / "other", "File exists")


def test_a_device_in_the_way_is_told() -> None:
    """A landing below a device is refused in the same words."""
    refused(Path("/dev/full/landing"), "Not a directory")


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """A folder without the right to write is refused before anything is asked."""
    landing = LocalLanding(tmp_path / "landing")
    landing.check("shop")
    with unwritable(tmp_path / "landing" / "shop" / "in-flight"):
        refused(tmp_path / "landing", "Operation not permitted", "Permission denied")
    landing.check("shop")


def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    """A read-only mount is refused before anything is asked."""
    LocalLanding(tmp_path / "landing").check("shop")
    with mounted(tmp_path / "landing", "--bind", str(tmp_path / "landing")) as folder:
        remount = ["mount", "-o", "remount,bind,ro", str(folder)]
        subprocess.run(remount, check=True, capture_output=True)
        refused(folder, "Read-only file system")


def test_a_full_disk_is_told_and_the_pages_there_stay(tmp_path: Path) -> None:
    """A real file system filled to the brim: the page is refused whole, those before stay."""
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=128k", "none") as disk:
        landing = new_landing(disk)
        land(landing)
        body = os.urandom(200_000)
        with pytest.raises(LandingError, match="No space left on device") as caught:
            landing.land(meta(2, body), body)
        assert caught.value.exit_code == 2
        assert "Make room on the disk" in caught.value.hint
        assert landing.pages() == [1]
        assert landing.read(1)[1] == BODY
        assert leftovers(landing) == []
        land(landing)
        assert landing.pages() == [1, 2]


def test_a_draft_takes_its_room_before_the_request_goes_out(tmp_path: Path) -> None:
    """Where the disk has no room for an answer, no draft is made, so nothing is asked."""
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "none") as disk:
        landing = new_landing(disk)
        with pytest.raises(LandingError, match="No space left on device"):
            landing.begin_request(1, "GET http://shop.test/orders", reserve=1 << 20)
        assert leftovers(landing) == []
        draft = landing.begin_request(1, "GET http://shop.test/orders", reserve=100_000)
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(1 << 20))
        draft.answered(200)
        draft.write(b"x" * 99_000)
        draft.close()
        assert landing.requests_in_flight()[0].body == b"x" * 99_000


def test_a_limit_on_file_size_is_told(tmp_path: Path) -> None:
    """A quota that bites in the middle of a page is a sentence, and no page."""
    landing = new_landing(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    body = os.urandom(100_000)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        with pytest.raises(LandingError, match="File too large"):
            landing.land(meta(1, body), body)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert landing.pages() == []
    assert leftovers(landing) == []


def test_a_damaged_file_of_the_landing_itself_is_told(place: Place) -> None:
    """Identity and cursor that cannot be read are named, not guessed."""
    landing = place.open()
    for name, read in (
        ("landing.json", lambda: place.open().identity),
        ("cursor.json", landing.verified_cursor),
    ):
        place.put(name, b'{"id": ')
        with pytest.raises(LandingError, match=rf"{name} cannot be read\. Restore {name}"):
            read()


def refused(folder: Path, *words: str) -> None:
    """The landing in *folder* is refused with a sentence that says one of these *words*."""
    with pytest.raises(LandingError) as caught:
        LocalLanding(folder).check("shop")
    assert any(word in caught.value.message for word in words), caught.value.message
    assert f"The landing of source 'shop' in {folder}" in caught.value.message
    assert "Check the folder and its rights" in caught.value.hint
    assert caught.value.exit_code == 2


def test_preparing_twice_keeps_the_identity(place: Place) -> None:
    """A landing is the same landing for ever, and leaves nothing behind from being checked."""
    identity = place.open().identity
    assert len(identity) == 32
    assert place.open().identity == identity
    assert place.open("other").identity not in {"", identity}
    assert place.names() == ["landing.json"]


def test_a_note_is_what_was_last_kept(place: Place) -> None:
    """Notes beside the pages are kept over what was there, and found by the next process."""
    landing = place.open()
    assert landing.note("loaded.json") is None
    for data in (b"one", b"two"):
        landing.keep_note("loaded.json", data)
        assert place.open().note("loaded.json") == data
    landing.keep_cursor("2026-11-22", 7)
    assert place.open().verified_cursor() == (7, "2026-11-22")
