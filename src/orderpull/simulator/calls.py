"""The call log: each request to the simulator, and the response to it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(slots=True)
class Call:
    """One request, or one connection that ended without a request.

    A connection without a request has no `number`, `method` and `path` (None). `number` counts
    requests from 1, `connection` counts TCP connections from 1; `time` is UTC. `path` has its
    query. `authorization`: the request had such a header, whose value is not recorded. `status`
    stays None without a whole status line. `orders` are the numbers of the orders taken out, None
    for an order without a readable number. `body_bytes` is the length of the healthy body,
    `sent_bytes` the length of the body that the fault lets out, later the length really sent.
    `kind` is the purpose of the call, such as `list` or `token`, if the profile knows it.
    """

    number: int | None
    connection: int
    time: str
    method: str | None = None
    path: str | None = None
    authorization: bool = False
    status: int | None = None
    fault: str | None = None
    consumed: bool = False
    orders: tuple[str | None, ...] = ()
    body_bytes: int = 0
    sent_bytes: int = 0
    kind: str | None = None


class CallLog:
    """The calls so far, in memory and, with a path, as JSON lines added to a file.

    The caller serialises access.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the file at once: OSError when it cannot be written."""
        self.calls: list[Call] = []
        self._file = None if path is None else path.open("a", encoding="utf-8")

    def add(self, call: Call) -> None:
        """Keep `call`; its line is in the file when this returns."""
        self.calls.append(call)
        if self._file is not None:
            self._file.write(json.dumps(asdict(call), ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
