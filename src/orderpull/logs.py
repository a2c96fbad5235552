"""Logging to stderr, one line per record, as text or JSON, without secrets and addresses."""

import json
import logging
import sys
from typing import Literal

Format = Literal["text", "json"]

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Each record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format *record* as JSON."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {key: value for key, value in record.__dict__.items() if key not in _OWN}
        return json.dumps(line | extra, ensure_ascii=False, default=str)


class LineFormatter(logging.Formatter):
    """Each record on one line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """Format *record* as text, with its line ends escaped."""
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


def set_up(kind: Format, *, verbose: bool) -> None:
    """Log to stderr. Text logs on a terminal need *verbose*; the commands print errors there."""
    handler = logging.StreamHandler(sys.stderr)
    text = LineFormatter("%(asctime)s %(levelname)-7s %(name)s %(message)s")
    handler.setFormatter(JsonFormatter() if kind == "json" else text)
    logger = logging.getLogger("orderpull")
    logger.handlers[:] = [handler]
    logger.propagate = False
    quiet = sys.stderr.isatty() and kind == "text" and not verbose
    logger.setLevel(logging.CRITICAL if quiet else logging.INFO)
