"""The landing against the ledger, and the files in the landing."""

import random
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator

from orderpull.errors import CorruptPage, KeyMissing
from orderpull.landing import compaction, expired, forgotten, last_pull
from orderpull.landing.container import FOLDER, pages_of
from orderpull.landing.page import MONTH, decode_meta, file_name
from orderpull.landing.protocol import (
    CURSOR,
    IDENTITY,
    IN_FLIGHT,
    LOADED,
    LOCK,
    REWRITING,
    SourceLanding,
)
from orderpull.notify.store import RESERVED_SOURCE
from orderpull.operate.compare import ranges
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import Installation
from orderpull.sources import bulk_export, pull, reading, reconcile
from orderpull.sources.http import token_store
from orderpull.sources.paging import doubts
from orderpull.verify import record, stored

NOTES = frozenset({
    IDENTITY, CURSOR, LOADED, LOCK, REWRITING, compaction.NOTE, last_pull.NAME, doubts.NOTE,
    reconcile.NOTE, token_store.NOTE, expired.NOTE, forgotten.NOTE, forgotten.KEY, record.NAME,
    stored.NOTE, bulk_export.EXPORT, reading.FURTHER, pull.LISTED, pull.FULL_READ,
})  # fmt: skip
"""Files beside the months of a source."""

SAMPLE = 32
"""Pages of a source whose hash is checked: the newest, and some of the others."""

_FEW = 5
_IN_FLIGHT = re.compile(r"\d{12}\.part")


def landing(at: Installation) -> Iterator[Finding]:
    """Compare the pages of each source with the ledger, and name every other file."""
    yield from _beside_the_sources(at)
    total = 0
    for source in at.sources:
        names, pages = at.names[source], at.pages[source]
        total += len(pages)
        yield from _other_files(at, source, names)
        yield from _twice(at, source, names)
        yield from _unfinished(at, source)
        if at.has_tables:
            yield from _against_ledger(at, source, set(pages))
        yield from _damaged(at, source, pages)
    extent = "" if at.deep else " of the newest months"
    many = "1 page" if total == 1 else f"{total:,} pages"
    yield ok(f"{at.shown(str(at.landing))}, {many}{extent}")


def _beside_the_sources(at: Installation) -> Iterator[Finding]:
    """Name what is beside the folders of the sources."""
    known = {f"{source}/" for source in at.sources} | {f"{RESERVED_SOURCE}/"}
    others = [name for name in at.landing.names() if name not in known]
    removed = [n for n in others if n.endswith("/") and at.part(n.rstrip("/")).note(IDENTITY)]
    foreign = [name for name in others if name not in removed]
    if foreign:
        yield _foreign(at, f"{at.landing}", foreign)


def _other_files(at: Installation, source: str, names: Collection[str]) -> Iterator[Finding]:
    """Name requests in flight, rests of files being written, and files of nobody."""
    where, pulled = str(at.part(source)), at.locks[source].held
    foreign = []
    for name in names:
        folder, _, file = name.rpartition("/")
        is_page = (MONTH.fullmatch(folder) or folder == FOLDER) and pages_of(name)
        if is_page or (not folder and file in NOTES):
            continue
        if folder != IN_FLIGHT or not re.search(r"\.part$|\.tmp$|^probe-", file):
            foreign.append(name)
        elif pulled:
            continue
        elif _IN_FLIGHT.fullmatch(file):
            yield warning(
                f"A process was killed while the response to request {int(file[:12])} of {source} "
                "arrived. The next run keeps what came of it.",
                at.command(f"run {source}"),
                f"{at.shown(where)}/{name}",
            )
        else:
            yield warning("Rest of a file that was being written.", _remove(at, where, name),
                          f"{at.shown(where)}/{name}")  # fmt: skip
    if foreign:
        yield _foreign(at, where, foreign)


def _foreign(at: Installation, where: str, names: list[str]) -> Finding:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    shown = ", ".join(names[:_FEW])
    what = f"Not made by orderpull: {shown}{more}."
    first = f"{where}/{names[0]}".rstrip("/")
    move = (
        f"aws s3 mv {first} s3://ELSEWHERE/"
        if "://" in where
        else f"mv {at.quoted(first)} ELSEWHERE/"
    )
    return warning(what, move, at.shown(where))


def _remove(at: Installation, where: str, name: str) -> str:
    return f"aws s3 rm {where}/{name}" if "://" in where else f"rm {at.quoted(f'{where}/{name}')}"


def _unfinished(at: Installation, source: str) -> Iterator[Finding]:
    """Find an erasure that a kill stopped."""
    begun = forgotten.Forgotten.read(at.part(source)).begun
    if begun is not None:
        yield problem(
            f"The erasure that began {at.time(begun.at)} is not finished: a person is still there.",
            at.command(f"forget {source}"),
            at.shown(str(at.part(source))),
        )


def _twice(at: Installation, source: str, names: Collection[str]) -> Iterator[Finding]:
    """Find numbers that two pages have, unless they are the same page, before and after a move."""
    part, files = at.part(source), [name for name in names if MONTH.match(name)]
    counts = Counter(page for name in files for page in pages_of(name))
    twice = [page for page, count in counts.items() if count > 1]
    packed = sorted((pages_of(name) for name in names if name.startswith(f"{FOLDER}/")), key=min)
    lasts = [pages[-1] for pages in packed]
    for name in files:
        for page in pages_of(name):
            at_ = bisect_left(lasts, page)
            if at_ < len(packed) and page in packed[at_] and not _is_same(part, name, page):
                twice.append(page)
    if twice:
        first = file_name(min(twice))
        yield problem(
            f"{len(twice)} page numbers of {source} are there twice, {first} first: a landing "
            "was restored over another one.",
            f"Move the wrong one away: find {at.quoted(str(part))} -name {first}",
        )


def _is_same(part: SourceLanding, name: str, page: int) -> bool:
    """True if the file *name* of *page* holds what its container does, which :meth:`read` reads."""
    file = part.page_file(name)
    try:
        return file is None or decode_meta(file.data, page, name)[0] == part.meta(page)
    except CorruptPage:
        return False


def _against_ledger(at: Installation, source: str, landed: set[int]) -> Iterator[Finding]:
    """Compare the pages *landed* with those that the ledger of *source* has loaded."""
    state, known = at.facts.states.get(source), at.facts.pages.get(source)
    if state is None or known is None:
        return
    identity, where = at.part(source).identity, at.shown(str(at.part(source)))
    if state.landing not in {"", identity} and landed & known:
        yield problem(
            f"The warehouse has loaded pages of {source} from another landing.",
            "Give back the landing that belongs to it, or rename the source.",
            where,
        )
        return
    waiting = {page for page in landed - known if page > state.loaded_through}
    waiting |= landed & set(state.gaps)
    if waiting and not at.locks[source].held:
        pages = "1 page waits" if len(waiting) == 1 else f"{len(waiting):,} pages wait"
        yield warning(
            f"{pages} to be loaded ({ranges(sorted(waiting))}).",
            at.command(f"load {source}"),
            where,
        )
    deleted = expired.expired_pages(at.part(source))
    missing = {page for page in known - landed if page not in deleted}
    if missing and not landed:
        yield problem(
            f"It is empty, and the warehouse has loaded {len(known):,} pages from it.",
            f"Is the disk mounted? ls -l {at.quoted(str(at.landing))}",
            where,
        )
    elif missing:
        pages = "1 loaded page is" if len(missing) == 1 else f"{len(missing):,} loaded pages are"
        yield problem(
            f"{pages} missing ({ranges(sorted(missing))}): their orders are in the "
            "warehouse, but cannot be read again.",
            _restore(where, file_name(min(missing))),
            where,
        )
    if unknown := landed - known - waiting:
        pages = "1 page is" if len(unknown) == 1 else f"{len(unknown):,} pages are"
        yield problem(
            f"{pages} older than the newest loaded one and unknown to the ledger "
            f"({ranges(sorted(unknown))}).",
            at.command(f"replay {source}"),
            where,
        )


def _damaged(at: Installation, source: str, pages: list[int]) -> Iterator[Finding]:
    """Check the hash of the newest pages and of some others; of all if deep."""
    part, chosen = at.part(source), pages
    if not at.deep and len(pages) > SAMPLE:
        half = SAMPLE // 2
        chosen = sorted(random.sample(pages[:-half], half)) + pages[-half:]
    damaged: dict[int, str] = {}
    for page in chosen:
        try:
            part.read(page)
        except CorruptPage as error:
            damaged[page] = error.message.replace(f"{part}/", "")
        except KeyMissing:
            break  # this machine only writes, and none of the pages can be read here
    if damaged:
        first, reason = next(iter(damaged.items()))
        many = "1 page is" if len(damaged) == 1 else f"{len(damaged):,} pages are"
        where = at.shown(str(part))
        yield problem(
            f"{many} damaged ({ranges(sorted(damaged))}): {reason}",
            _restore(where, part.where(first).rpartition("/")[2]),
            where,
        )


def _restore(where: str, name: str) -> str:
    """The command that brings the file *name* back, as far as there is one."""
    if "://" in where:
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        return (
            f"aws s3api list-object-versions --bucket {bucket} --prefix {prefix} "
            f"--query \"Versions[?ends_with(Key,'{name}')]\""
        )
    return f"Restore it from a backup of the landing: find /BACKUP -name {name}"
