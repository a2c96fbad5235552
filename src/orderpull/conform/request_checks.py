"""Checks of the requests to the mirror against the API file."""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from orderpull.conform.rendering import FORMS
from orderpull.conform.values import Json, at
from orderpull.simulator import Request
from orderpull.simulator.shop.base import RefusedError
from orderpull.simulator.shop.selecting import unpacked
from orderpull.simulator.shop.times import read, zone
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import BODY, AlsoSpec, CursorSpec, PagingSpec, RequestSpec
from orderpull.sources.spec.expression import parse_path

TOKEN_PARAM = "conform"  # noqa: S105 - the name of a parameter
"""The parameter of the cursor in URLs of further pages."""

FURTHER = "further"
"""Key, in the state of a list, of the further cursor that asks."""

_TIME = r"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d"
_FRACTIONS = {"s": "", "ms": r"\.\d{3}", "us": r"\.\d{6}"}


class RequestReader:
    """Parses requests for one API. RefusedError for a request that its file does not allow."""

    def __init__(self, api: Api) -> None:
        self.api = api
        cursor = api.cursor
        named = [cursor.lower, cursor.upper, cursor.filter] if cursor else []
        self._further = cursor.also if cursor else []
        for also in self._further:
            named += [also.lower, also.filter, also.below]
        self._ids = api.reconcile.ids if api.reconcile else None
        self.bounds = list(dict.fromkeys(place for place in (*named, self._ids) if place))
        self._places = {*self.bounds, api.auth.param, *_places(api.paging)}
        for block in api.children:
            self._places |= {block.key_param, *_places(block.paging)}

    def state(self, request: Request, spec: RequestSpec, paging: PagingSpec) -> dict[str, str]:
        """Return the request's bounds by field, its ``size``, and the position ``at``.

        A cursor adds the state that it stands for.
        """
        parameters = self._parameters(request, spec, paging)
        bounds = {place: parameters[place] for place in self.bounds if place in parameters}
        state = dict(bounds)
        for number, also in enumerate(self._further):
            if (also.lower or also.filter) in bounds:
                self._expect_fields(request, parameters, also)
                state[FURTHER] = str(number)
        if paging.size_param and paging.size_param in parameters:
            state["size"] = parameters[paging.size_param]
        if paging.param in parameters and paging.kind in {"page", "offset"}:
            state["at"] = parameters[paging.param or ""]
        token = parameters.get((paging.param or "") if paging.kind == "cursor" else TOKEN_PARAM)
        if token is None:
            return state
        before = self._state_of(token)
        first = {place: before[place] for place in self.bounds if place in before}
        if paging.kind == "cursor" and paging.repeat and first != bounds:
            raise refused("with a cursor, all else must be as it was")
        return {**before, **state}

    def chosen(self, state: Mapping[str, str]) -> list[str] | None:
        """Return the ids that the request selects; None if it selects by other means."""
        spec, text = self.api.reconcile, state.get(self._ids or "")
        if spec is None or text is None:
            return None
        texts = text.split(spec.ids_join) if spec.ids_join else json.loads(text)
        before, _, after = spec.ids_text.partition("{id}")
        if not all(each.startswith(before) and each.endswith(after) for each in texts):
            return None
        if len(texts) > spec.ids_at_once:
            raise refused(f"at most {spec.ids_at_once} ids")
        return [each.removeprefix(before).removesuffix(after) for each in texts]

    def between(
        self, cursor: CursorSpec, state: Mapping[str, str], block: CursorSpec | AlsoSpec
    ) -> tuple[datetime | None, datetime | None]:
        """Return the requested lower and upper bound of *block*: *cursor*, or a further one."""
        bounds: dict[str, str | None] = {
            "lower": state.get(block.lower or ""),
            "upper": state.get(cursor.upper or ""),
        }
        text = state.get(block.filter or "")
        if block.filter_text and text is not None:
            bounds |= self.filtered(text, block.filter_text)
        return self.moment(cursor, bounds["lower"]), self.moment(cursor, bounds["upper"])

    def filtered(self, text: str, template: str) -> dict[str, str]:
        """Return the bounds in *text*, a filter of the form *template*."""
        pattern = re.escape(template)
        for name in ("lower", "upper"):
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.+?)")
        match = re.fullmatch(pattern, text)
        if match is None:
            raise refused("the filter is not understood")
        return match.groupdict()

    def moment(self, cursor: CursorSpec, text: str | None) -> datetime | None:
        """Parse the time of a bound."""
        if text is None:
            return None
        if cursor.format in {"iso", "naive", "sql"}:
            pattern = _TIME.replace("@", " " if cursor.format == "sql" else "T")
            pattern += _FRACTIONS[cursor.precision]
            if not re.fullmatch(pattern + ("Z" if cursor.format == "iso" else ""), text):
                raise refused(f"{text} is no time here")
        precision = "ms" if cursor.format == "unix_ms" else "s"
        try:
            return read(text, FORMS[cursor.format], precision, zone(cursor.timezone))
        except (ValueError, TypeError):
            raise refused(f"{text} is no time here") from None

    @staticmethod
    def _state_of(cursor: str) -> dict[str, str]:
        try:
            return unpacked(cursor)
        except ValueError:
            raise refused("that is no cursor of this list") from None

    def _parameters(
        self, request: Request, spec: RequestSpec, paging: PagingSpec
    ) -> dict[str, str]:
        """Return the parameters of query and body by request field, as texts."""
        if request.method != spec.method and paging.kind not in {"next", "link"}:
            raise RefusedError(405, {"error": "method not allowed"})
        body = json.loads(request.body or b"{}") if spec.method == "POST" else {}
        parameters = {**request.query, **self._in_body(body, paging)}
        goes_on = TOKEN_PARAM in parameters or (
            paging.kind == "cursor" and not paging.repeat and (paging.param or "") in parameters
        )
        if goes_on:
            beside = sorted(set(parameters) & {*spec.query, *self.bounds})
            if beside:
                raise refused(f"{', '.join(beside)} may not stand beside a cursor")
        else:
            self._expect(spec, parameters)
        for name, text in spec.headers.items():
            if request.headers.get(name.lower()) != text:
                raise refused(f"the header {name} is missing")
        for key in spec.body:
            if key not in body:
                raise refused(f"{key} is missing in the body")
        return parameters

    def _expect(self, spec: RequestSpec, parameters: Mapping[str, str]) -> None:
        """Check the parameters that every call sends, and refuse unknown ones."""
        lists = [*self._further, self.api.reconcile, self.api.ids]
        others = [each.query for each in lists if each]
        others = others if spec is self.api.request else []
        for name, text in spec.query.items():
            if parameters.get(name) not in {text, *(query.get(name, text) for query in others)}:
                raise refused(f"the parameter {name} is missing")
        known = {*spec.query, *(name for query in others for name in query), *self._places}
        for name in parameters.keys() - known:
            raise refused(f"there is no parameter {name}")

    @staticmethod
    def _expect_fields(request: Request, parameters: Mapping[str, str], also: AlsoSpec) -> None:
        """Check the fields that a call with a further cursor changes, such as the sort."""
        body = json.loads(request.body or b"{}") if also.body else {}
        sent = {field: at(body, parse_path(field.removeprefix(BODY)).steps) for field in also.body}
        if sent != also.body or also.query.items() - parameters.items():
            raise refused("with this bound, the list is asked for in another way")

    def _in_body(self, body: Json, paging: PagingSpec) -> dict[str, str]:
        named = (paging.param, paging.size_param, *self.bounds)
        values = {
            place: at(body, parse_path(place.removeprefix(BODY)).steps)
            for place in named
            if place and place.startswith(BODY)
        }
        return {
            place: json.dumps(value) if isinstance(value, list) else str(value)
            for place, value in values.items()
            if value is not None
        }


def lists_ids(api: Api, request: Request) -> bool:
    """True if *request* is that of ``[ids]``."""
    if api.ids is None:
        return False
    body = json.loads(request.body or b"{}")
    return api.ids.query.items() <= request.query.items() and all(
        at(body, parse_path(field.removeprefix(BODY)).steps) == value
        for field, value in api.ids.body.items()
    )


def _places(paging: PagingSpec) -> set[str | None]:
    return {paging.param, paging.size_param}


def refused(message: str) -> RefusedError:
    """Return the refusal of an invalid request."""
    return RefusedError(400, {"error": message})
