"""Settings: whether they fit together, without a request to any API."""

import stat
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from orderpull import telemetry
from orderpull.errors import OrderpullError
from orderpull.notify import sending
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import Installation
from orderpull.settings import SECRET_KEYS
from orderpull.sources.pull import Source
from orderpull.sources.spec.reader import read_api


def settings(at: Installation) -> Iterator[Finding]:
    """Read each API file, match credentials to it, and open nothing."""
    chosen = at.settings.chosen()
    for name, source in chosen.items():
        try:
            api = read_api(source.api, at.settings.folder, billing_country=source.billing_country)
            Source(name, source, api).client.close()
        except OrderpullError as error:
            yield problem(error.message, error.hint, f"[sources.{name}]")
    _ = at.landing, at.destination
    collector = at.settings.telemetry.endpoint
    if telemetry.is_wanted(collector) and not telemetry.is_installed():
        what = "Telemetry is asked for, and OpenTelemetry's SDK is not installed."
        yield warning(what, "pip install 'orderpull[otel]'")
    if at.settings.notify.urls or at.settings.digest.urls:
        sending.check(at.settings)
    yield from _readable_secrets(at)
    file, count = at.settings.file, len(chosen)
    sources = "1 source" if count == 1 else f"{count} sources"
    yield ok(f"{at.shown(file) if file else 'no file'}, {sources}")


def _readable_secrets(at: Installation) -> Iterator[Finding]:
    """Find secrets in a file that other users of the machine may read."""
    file = at.settings.file
    if file is None or not file.stat().st_mode & (stat.S_IROTH | stat.S_IRGRP):
        return
    keys = list(_literal_secrets(tomllib.loads(file.read_text(encoding="utf-8"))))
    if keys:
        what = f"{', '.join(keys)}: written out in a file that other users may read."
        yield warning(what, f"chmod 600 {at.quoted(file)}", at.shown(file))


def _literal_secrets(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings whose secret is in the file itself, not in the environment."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _literal_secrets(value, f"{prefix}{key}.")
        elif key in SECRET_KEYS and key != "password_hash":
            texts = value if isinstance(value, list) else [value]
            if any("${" not in str(text) for text in texts):
                yield f"{prefix}{key}"
