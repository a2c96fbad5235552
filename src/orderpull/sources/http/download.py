"""Download a large file over HTTP, with retries."""

from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from orderpull import __version__
from orderpull.errors import Interrupted, SourceUnexpected, SourceUnreachable
from orderpull.sources.http.limits import Stop, backoff

TRIES = 4
_CHUNK = 1 << 18
_OK = 200
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


def download_file(url: str, file: Path, timeout: float, stop: Stop) -> None:
    """Download *url* into *file* without a token; retry with back-off, :data:`TRIES` times in all.

    :param timeout: seconds to wait for the next bytes.
    :raises SourceError: the download failed.
    :raises Interrupted: a stop was requested.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
        raise SourceUnexpected(f"The file at {parts.hostname} is not offered by https.")
    for attempt in range(1, TRIES + 1):
        problem = _download_once(url, file, timeout, stop)
        if problem is None:
            return
        if attempt < TRIES and stop.wait(backoff(attempt)):
            break
    if stop.requested:
        raise Interrupted(stop.signal)
    raise SourceUnreachable(f"The file at {parts.hostname} could not be downloaded: {problem}.")


def _download_once(url: str, file: Path, timeout: float, stop: Stop) -> str | None:
    """Download *url* into *file* once; the failure, or None."""
    headers = {"User-Agent": f"orderpull/{__version__}", "Accept-Encoding": "gzip"}
    waits = urllib3.Timeout(connect=10.0, read=timeout)
    try:
        with urllib3.PoolManager(num_pools=1, retries=False, timeout=waits) as pool:
            response = pool.request(
                "GET", url, headers=headers, preload_content=False, redirect=False
            )
            if response.status != _OK:
                return f"status {response.status}"
            with file.open("wb") as stream:
                for chunk in response.stream(_CHUNK, decode_content=True):
                    stream.write(chunk)
                    if stop.requested:
                        return "stopped on request"
    except (HTTPError, OSError) as error:
        return type(error).__name__
    return None
