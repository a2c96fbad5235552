"""The profile `replay`: recorded responses, served again byte for byte."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .profile import Request, Response, json_response

REQUEST_SUFFIX = ".request.json"
FORBIDDEN = "forbidden.json"


class RequestKey(NamedTuple):
    """The identity of a request: method, path and paging. A missing offset is 0."""

    method: str
    path: str
    limit: str
    offset: str
    take: str
    skip: str

    def sentence(self) -> str:
        """Return a readable form, such as `GET /admin/orders limit=50 offset=0`."""
        paging = zip(self._fields[2:], self[2:], strict=True)
        return " ".join(
            [self.method, self.path, *(f"{name}={value}" for name, value in paging if value)]
        )


class Replay:
    """Serves the recordings of one folder.

    `page-N.request.json` is a recorded request, `page-N.json` the response. A request gets the
    recording with the same method, path and paging parameters: `limit` and `offset` of the query,
    `take` and `skip` anywhere in the `variables` of a JSON body. Any other request gets 404 with
    the list of recorded requests.
    """

    name = "replay"
    seed = None
    exhausted = True

    def __init__(self, folder: Path | str, *, token: str | None = None) -> None:
        """Read the recordings in `folder`.

        With `token`, requests that do not bring it get 401, or what `forbidden.json` holds, if that
        is in the folder, with 200. It may come as `Bearer TOKEN`, as `Basic TOKEN` or as the user
        name of basic authentication. ValueError when the folder has no recording, an unreadable
        one, or two for one request.
        """
        self._recorded = _recordings(Path(folder))
        self._forbidden = Path(folder) / FORBIDDEN
        self.token = token
        self._accepted = None if token is None else _credentials(token)

    def respond(self, request: Request) -> Response:
        """Respond with the recorded bytes, 401 or 404."""
        if (
            self._accepted is not None
            and request.headers.get("authorization") not in self._accepted
        ):
            if self._forbidden.is_file():
                return Response(200, self._forbidden.read_bytes())
            return json_response(
                401,
                {"type": "unauthorized", "message": "Unauthorized"},
                {"WWW-Authenticate": "Bearer"},
            )
        key = _key_of(request)
        recording = self._recorded.get(key)
        if recording is None:
            recorded = [known.sentence() for known in self._recorded]
            return json_response(
                404, {"message": "not recorded", "asked": key.sentence(), "recorded": recorded}
            )
        return Response(200, recording.read_bytes())


def _credentials(token: str) -> frozenset[str]:
    user = base64.b64encode(f"{token}:".encode()).decode()
    return frozenset({f"Bearer {token}", f"Basic {token}", f"Basic {user}"})


def _recordings(folder: Path) -> dict[RequestKey, Path]:
    recorded: dict[RequestKey, Path] = {}
    for path in sorted(
        folder.glob(f"page-*{REQUEST_SUFFIX}"), key=lambda path: (len(path.name), path.name)
    ):
        page = path.with_name(path.name.removesuffix(REQUEST_SUFFIX) + ".json")
        key = _key_of(_recorded_request(path))
        if key in recorded:
            raise ValueError(
                f"{path} and {recorded[key]} record the same request: {key.sentence()}"
            )
        if not page.is_file():
            raise ValueError(f"{path} has no {page.name} beside it")
        recorded[key] = page
    if not recorded:
        raise ValueError(f"no recordings (page-N{REQUEST_SUFFIX} with page-N.json) in {folder}")
    return recorded


def _recorded_request(path: Path) -> Request:
    try:
        document = json.loads(path.read_bytes())
        body = json.dumps(document["body"]).encode() if "body" in document else b""
        return Request(document["method"], document["path"], body=body)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no recorded request with method and path: {error}") from error


def _key_of(request: Request) -> RequestKey:
    query = request.query
    variables = dict(_leaves(_variables(request.body)))
    take = variables.get("take", "")
    return RequestKey(
        request.method,
        request.path,
        limit=query.get("limit", ""),
        offset=query.get("offset", "0" if "limit" in query else ""),
        take=take,
        skip=variables.get("skip", "0" if take else ""),
    )


def _variables(body: bytes) -> dict[str, Any]:
    try:
        variables = json.loads(body)["variables"]
    except (ValueError, KeyError, TypeError):
        return {}
    return variables if isinstance(variables, dict) else {}


def _leaves(value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every plain value, at any depth."""
    for name, child in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(child, dict | list):
            yield from _leaves(child)
        else:
            yield str(name), str(child)
