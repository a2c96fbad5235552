"""What a client asks of the made-up server, and whether it may be asked so."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime

from orderpull.conform.values import Json, at
from orderpull.simulator import Request
from orderpull.simulator.shop.base import RefusedError
from orderpull.simulator.shop.times import Form, read, zone
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import BODY, CursorSpec, PagingSpec, RequestSpec
from orderpull.sources.spec.expression import parse_path

TOKEN_PARAM = "conform"  # noqa: S105 - the name of a parameter
"""The parameter of the cursor in URLs of further pages."""

_TIMES = {
    "s": r"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d",
    "ms": r"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d\.\d{3}",
    "us": r"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d\.\d{6}",
}
_FORMS: dict[str, Form] = {
    "iso": "iso",
    "naive": "iso-naive",
    "sql": "sql",
    "rfc2822": "rfc2822",
    "unix": "unix",
    "unix_ms": "unix",
}


class RequestReader:
    """Reads requests for one API. What is not as its file says is a RefusedError."""

    def __init__(self, api: Api) -> None:
        self.api = api
        cursor = api.cursor
        named = [cursor.lower, cursor.upper, cursor.filter] if cursor else []
        self.bounds = [place for place in named if place]
        self._places = {*self.bounds, api.auth.param, *_places(api.paging)}
        for block in api.children:
            self._places |= {block.key_param, *_places(block.paging)}

    def state(self, request: Request, spec: RequestSpec, paging: PagingSpec) -> dict[str, str]:
        """What is asked for: bounds by their places, the ``size``, and ``at`` which place.

        A cursor brings what it stands for.
        """
        asked = self._asked(request, spec, paging)
        told = {place: asked[place] for place in self.bounds if place in asked}
        state = dict(told)
        if paging.size_param and paging.size_param in asked:
            state["size"] = asked[paging.size_param]
        if paging.param in asked and paging.kind in {"page", "offset"}:
            state["at"] = asked[paging.param or ""]
        token = asked.get((paging.param or "") if paging.kind == "cursor" else TOKEN_PARAM)
        if token is None:
            return state
        before = unpacked(token)
        first = {place: before[place] for place in self.bounds if place in before}
        if paging.kind == "cursor" and paging.repeat and first != told:
            raise refused("with a cursor, all else must be as it was")
        return {**before, **state}

    def between(
        self, cursor: CursorSpec, state: Mapping[str, str]
    ) -> tuple[datetime | None, datetime | None]:
        """The bounds that are asked for."""
        told: dict[str, str | None] = {
            "lower": state.get(cursor.lower or ""),
            "upper": state.get(cursor.upper or ""),
        }
        text = state.get(cursor.filter or "")
        if cursor.filter_text and text is not None:
            told |= self.filtered(text, cursor.filter_text)
        return self.moment(cursor, told["lower"]), self.moment(cursor, told["upper"])

    def filtered(self, text: str, template: str) -> dict[str, str]:
        """The bounds in *text*, which *template* is the form of."""
        pattern = re.escape(template)
        for name in ("lower", "upper"):
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.+?)")
        match = re.fullmatch(pattern, text)
        if match is None:
            raise refused("the filter is not understood")
        return match.groupdict()

    def moment(self, cursor: CursorSpec, text: str | None) -> datetime | None:
        """The time that a bound says."""
        if text is None:
            return None
        if cursor.format in {"iso", "naive", "sql"}:
            pattern = _TIMES[cursor.precision].replace("@", " " if cursor.format == "sql" else "T")
            if not re.fullmatch(pattern + ("Z" if cursor.format == "iso" else ""), text):
                raise refused(f"{text} is no time here")
        precision = "ms" if cursor.format == "unix_ms" else "s"
        try:
            return read(text, _FORMS[cursor.format], precision, zone(cursor.timezone))
        except (ValueError, TypeError):
            raise refused(f"{text} is no time here") from None

    def _asked(self, request: Request, spec: RequestSpec, paging: PagingSpec) -> dict[str, str]:
        """The values by their places, as texts."""
        if request.method != spec.method and paging.kind not in {"next", "link"}:
            raise RefusedError(405, {"error": "method not allowed"})
        body = json.loads(request.body or b"{}") if spec.method == "POST" else {}
        asked = {**request.query, **self._in_body(body, paging)}
        goes_on = TOKEN_PARAM in asked or (
            paging.kind == "cursor" and not paging.repeat and (paging.param or "") in asked
        )
        if goes_on:
            beside = sorted(set(asked) & {*spec.query, *self.bounds})
            if beside:
                raise refused(f"{', '.join(beside)} may not stand beside a cursor")
        else:
            self._expect(spec, asked)
        for name, text in spec.headers.items():
            if request.headers.get(name.lower()) != text:
                raise refused(f"the header {name} is missing")
        for key in spec.body:
            if key not in body:
                raise refused(f"{key} is missing in the body")
        return asked

    def _expect(self, spec: RequestSpec, asked: Mapping[str, str]) -> None:
        """Make sure that the parameters are there that every call sends."""
        reconcile = self.api.reconcile
        others = reconcile.query if reconcile and spec is self.api.request else {}
        for name, text in spec.query.items():
            if asked.get(name) not in {text, others.get(name, text)}:
                raise refused(f"the parameter {name} is missing")
        for name in asked.keys() - spec.query.keys() - others.keys() - self._places:
            raise refused(f"there is no parameter {name}")

    def _in_body(self, body: Json, paging: PagingSpec) -> dict[str, str]:
        named = (paging.param, paging.size_param, *self.bounds)
        found = {
            place: at(body, parse_path(place.removeprefix(BODY)).steps)
            for place in named
            if place and place.startswith(BODY)
        }
        return {place: str(value) for place, value in found.items() if value is not None}


def _places(paging: PagingSpec) -> set[str | None]:
    return {paging.param, paging.size_param}


def refused(detail: str) -> RefusedError:
    """The refusal of a request that is not as it should be."""
    return RefusedError(400, {"error": detail})


def packed(state: Mapping[str, str]) -> str:
    """A cursor that stands for *state*."""
    return base64.urlsafe_b64encode(json.dumps(dict(state)).encode()).decode().rstrip("=")


def unpacked(token: str) -> dict[str, str]:
    """What a cursor stands for."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise refused("that is no cursor of this list")
    return found
