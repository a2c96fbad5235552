"""The headers that tell an API who asks."""

import base64

from orderpull.errors import SettingsError
from orderpull.sources.spec import AuthSpec


def auth_headers(spec: AuthSpec, token: str | None, source: str) -> dict[str, str]:
    """The headers for *token*, as *spec* wants it sent.

    :raises SettingsError: the API needs a token and *source* has none, or takes none.
    """
    if token is None:
        if spec.kind == "none" or spec.optional:
            return {}
        raise SettingsError(
            f"[sources.{source}] has no token, and its API needs one.", 'Add token = "${NAME}".'
        )
    if spec.kind == "none":
        raise SettingsError(f"[sources.{source}] has a token, and its API takes none.")
    if not token.strip() or not token.isprintable() or not token.isascii():
        raise SettingsError(f"[sources.{source}] token is blank or holds odd characters.")
    if spec.kind == "basic" or any(token.startswith(prefix) for prefix in spec.basic_for):
        pair = token if ":" in token else f"{token}:"
        return {spec.header: "Basic " + base64.b64encode(pair.encode()).decode()}
    return {spec.header: f"Bearer {token}" if spec.kind == "bearer" else token}
