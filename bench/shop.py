"""Serve rendered orders by loopback HTTP, as Extensiv's v1.1 API does, in a process of its own.

``python -m bench.shop FOLDER [--changed] [--copies NUMBER] [--latency SECONDS] [--port PORT]``

``GET /v1.1/orders?page=&limit=&modifiedDateFrom=&modifiedDateTo=`` gives a JSON array sorted by
time of change; ``/NAME/v1.1/orders`` serves the shop in the folder's subfolder NAME. Pages are
slices of mapped files, so the server costs little beside what is measured.
"""

import argparse
import asyncio
import bisect
import calendar
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.repeated import Repeated
from bench.workload import Rendered

TOKEN = "secret"  # noqa: S105 - of a shop that exists here alone
PATH = "/v1.1/orders"
LONGEST = 500


class Shop:
    """Answers requests for the orders below *folder*."""

    def __init__(self, folder: Path, latency: float, *, changed: bool, copies: int = 1) -> None:
        self.folder = folder
        self.latency = latency
        self.changed = changed
        self.copies = copies
        self.rendered: dict[str, Rendered | Repeated] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after another."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if self.latency:
                    await asyncio.sleep(self.latency)
                status, body = self.answer(head)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, head: str) -> tuple[str, bytes]:
        """Status and body of the response to a request with *head*."""
        first, *headers = head.split("\r\n")
        if f"authorization: bearer {TOKEN}" not in {header.lower() for header in headers}:
            return "401 Unauthorized", b"{}"
        url = urlsplit(first.split(" ")[1])
        name, found, _ = url.path.partition(PATH)
        if not found:
            return "404 Not Found", b"{}"
        if name not in self.rendered:
            self.rendered[name] = self._open(self.folder / name.strip("/"))
        rendered, query = self.rendered[name], parse_qs(url.query)
        since, until = (_seconds(query, f"modifiedDate{end}") for end in ("From", "To"))
        low = 0 if since is None else bisect.bisect_left(rendered.times, since)
        high = None if until is None else bisect.bisect_right(rendered.times, until)
        size = min(int(query.get("limit", ["100"])[0]), LONGEST)
        start = low + (int(query.get("page", ["1"])[0]) - 1) * size
        stop = start + size if high is None else min(start + size, high)
        return "200 OK", rendered.page(start, max(start, stop))

    def _open(self, folder: Path) -> Rendered | Repeated:
        if self.copies > 1:
            return Repeated(folder, changed=self.changed, copies=self.copies)
        return Rendered(folder, changed=self.changed)


def _seconds(query: dict[str, list[str]], name: str) -> int | None:
    text = query.get(name, [""])[0]
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) if text else None


@contextmanager
def served(
    folder: Path, *, changed: bool = False, copies: int = 1, latency: float = 0, port: int = 0
) -> Iterator[str]:
    """The address of the shop in *folder*, served by a process that ends with the block."""
    command = [
        sys.executable, "-m", "bench.shop", str(folder), f"--latency={latency}", f"--port={port}",
        f"--copies={copies}", *(["--changed"] if changed else []),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--changed", action="store_true", help="as it is after the change")
    parser.add_argument("--copies", type=int, default=1, help="so many times its orders")
    parser.add_argument("--latency", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    shop = Shop(asked.folder, asked.latency, changed=asked.changed, copies=asked.copies)
    server = await asyncio.start_server(shop.serve, "127.0.0.1", asked.port, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
