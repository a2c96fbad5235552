"""Carry orderpull's own errors from an executor to the user, through Spark's."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from orderpull import errors
from orderpull.errors import ClusterError, OrderpullError

_CARRIED = re.compile(r"orderpull-error:([A-Za-z0-9+/=]+)")
_LACKING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_CAUSE = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception)): (.+)$", re.MULTILINE)
_LONGEST = 300


@contextmanager
def carried() -> Iterator[None]:
    """Turn an error of orderpull into one whose text survives the way through the JVM."""
    try:
        yield
    except OrderpullError as error:
        content = [type(error).__name__, error.message, error.hint]
        text = b64encode(json.dumps(content).encode()).decode()
        raise RuntimeError(f"orderpull-error:{text}") from None


def readable(error: BaseException) -> OrderpullError:
    """The error of orderpull that *error* of Spark carries, else one sentence about it."""
    text = str(error)
    if match := _CARRIED.search(text):
        name, message, hint = json.loads(b64decode(match[1]))
        kind = getattr(errors, name, ClusterError)
        return (
            kind(message, hint)
            if kind.__init__ is OrderpullError.__init__
            else ClusterError(message, hint)
        )
    if match := _LACKING.search(text):
        return ClusterError(
            f"The Python of Spark's executors has no module {match[1]!r}.",
            "Make an archive with `orderpull spark package FILE`, and give it with --archive.",
        )
    causes = _CAUSE.findall(text)
    name, message = causes[-1] if causes else (type(error).__name__, text.partition("\n")[0])
    return ClusterError(
        f"Spark stopped the replay: {name}: {message[:_LONGEST].strip()}",
        "Nothing was committed. The executors' logs tell more; run the same command again.",
    )
