"""Fetching a large file over HTTP to this machine, whole or not at all."""

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
_HOME = frozenset({"127.0.0.1", "localhost", "::1"})


def download_file(url: str, file: Path, timeout: float, stop: Stop) -> None:
    """Fetch *url*, which needs no token, into *file*.

    :param timeout: seconds to wait for the next bytes.
    :raises SourceError: it cannot be had; :raises Interrupted: a stop was asked for.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _HOME:
        raise SourceUnexpected(f"The file at {parts.hostname} is not offered by https.")
    for tried in range(1, TRIES + 1):
        problem = _fetched(url, file, timeout, stop)
        if problem is None:
            return
        if tried < TRIES and stop.wait(backoff(tried)):
            break
    if stop.asked:
        raise Interrupted(stop.signal)
    raise SourceUnreachable(f"The file at {parts.hostname} could not be fetched: {problem}.")


def _fetched(url: str, file: Path, timeout: float, stop: Stop) -> str | None:
    """Fetch it once; what went wrong."""
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
                    if stop.asked:
                        return "stopped as asked"
    except (HTTPError, OSError) as error:
        return type(error).__name__
    return None
