"""Download a large file over HTTP, with retries."""

from urllib.parse import urlsplit

from orderpull import __version__, telemetry
from orderpull.errors import SourceUnexpected, SourceUnreachable
from orderpull.landing.sealed_file import SealedFile
from orderpull.sources.http.limits import Wait, backoff

TRIES = 4
_CHUNK = 1 << 18
_OK = 200
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


def download_file(url: str, file: SealedFile, timeout: float, pause: Wait) -> None:
    """Download *url* into *file* without a token; retry with back-off, :data:`TRIES` times in all.

    :param timeout: seconds to wait for the next bytes.
    :param pause: called between two pieces, and to wait before a retry; an exception of it ends the
        download.
    :raises SourceError: the download failed.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
        raise SourceUnexpected(f"The file at {parts.hostname} is not offered by https.")
    for attempt in range(1, TRIES + 1):
        with telemetry.span("download", host=parts.hostname or "", retry=attempt - 1) as span:
            problem = _download_once(url, file, timeout, pause, span)
        if problem is None:
            return
        if attempt < TRIES:
            pause(backoff(attempt))
    raise SourceUnreachable(f"The file at {parts.hostname} could not be downloaded: {problem}.")


def _download_once(
    url: str, file: SealedFile, timeout: float, pause: Wait, span: telemetry.Span
) -> str | None:
    """Download *url* into *file* once, and describe it in *span*; the failure, or None."""
    import urllib3  # few runs download a file
    from urllib3.exceptions import HTTPError

    headers = {"User-Agent": f"orderpull/{__version__}", "Accept-Encoding": "gzip"}
    waits = urllib3.Timeout(connect=10.0, read=timeout)
    try:
        with urllib3.PoolManager(num_pools=1, retries=False, timeout=waits) as pool:
            response = pool.request(
                "GET", url, headers=headers, preload_content=False, redirect=False
            )
            span.set(status=response.status)
            if response.status != _OK:
                span.set(error=str(response.status))
                return f"status {response.status}"
            size = 0
            with file.writing() as write:
                while chunk := response.read1(_CHUNK, decode_content=True):
                    write(chunk)
                    size += len(chunk)
                    pause(0)
            span.set(bytes=size)
    except (HTTPError, OSError) as error:
        span.fail(error)
        return type(error).__name__
    return None
