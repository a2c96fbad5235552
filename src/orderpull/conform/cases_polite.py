"""Cases of limits, budgets, errors, tokens and repeated last pages."""

from collections.abc import Mapping
from dataclasses import replace

from orderpull.conform.mirror import SIZE, WAIT, Mirror, declared_error
from orderpull.conform.outcome import (
    ORDERS,
    FailedError,
    NotTriedError,
    Outcome,
    assert_equal,
    assert_ok,
    assert_passed,
    passed,
    refuse_once,
)
from orderpull.conform.request_checks import lists_ids
from orderpull.conform.target import Target
from orderpull.conform.trial import trial
from orderpull.simulator import Request, Response
from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.base import Tamper
from orderpull.sources.spec.api import Api


def rate_limit(target: Target) -> Outcome:
    """After 429, wait for the time in the header, in its unit."""
    tokens = int(target.api.auth.token is not None and "token" not in target.credentials())
    with trial(target, orders=ORDERS, odd=False, refuse={2 + tokens}) as t:
        assert_ok(t.run())
        outcome = assert_passed(t)
        longest = max(t.waits.each, default=0.0)
        if isinstance(t.shop, Mirror) and abs(longest - WAIT) > WAIT / 100:
            raise FailedError(f"asked to wait {WAIT:g} s, it waited {longest:.3g} s")
        return replace(outcome, detail=f"waited {longest:.2g} s" if longest >= 1 else "")


def budget(target: Target) -> Outcome:
    """Stay within a budget of points that responses announce."""
    if target.api.limits.cost is None:
        raise NotTriedError("the file names no budget")
    with trial(target, orders=ORDERS, odd=False, budget=True) as t:
        assert_ok(t.run())
        return replace(assert_passed(t), detail="")


def error_in_json(target: Target) -> Outcome:
    """Retry a response of status 200 that means busy; end the run at one that means refused."""
    if target.name != "mirror":
        raise NotTriedError("tried on the mirror")
    if not any(each.means in {"busy", "refused"} for each in target.api.errors):
        raise NotTriedError("the file names none")
    detail = []
    for means in ("busy", "refused"):
        if not any(each.means == means for each in target.api.errors):
            detail.append(f"none that means {means}")
            continue
        with trial(target, orders=ORDERS, odd=False) as t:
            if isinstance(t.shop, Mirror):
                t.shop.tamper = _failing_once(t.shop.failure(means))
            first = t.run()
            if (first.error is None) != (means == "busy"):
                raise FailedError(f"one that means {means}: {first.error or 'no error was told'}")
            assert_ok(t.run())
            assert_equal(t)
    return passed("; ".join(detail))


def _failing_once(failure: Response) -> Tamper:
    """Replace the first page by *failure*."""
    failures = iter([failure])
    return lambda _, response: next(failures, response) if response.listed else response


def server_errors(target: Target) -> Outcome:
    """Read past an order that makes the server fail on large pages."""
    if target.api.consume_once:
        return _possible_loss(target)
    small = target.api.paging.size_param is not None
    failures = [0]

    def tamper(_: Request, response: Response) -> Response:
        named = [each.number for each in response.occurrences]
        if not response.listed or poison not in named:
            return response
        if len(named) <= 3 if small else failures[0] >= 2:  # noqa: PLR2004
            return response
        failures[0] += 1
        return Response(500, b'{"error":"simulated"}')

    with trial(target, orders=ORDERS, odd=False) as t:
        poison = list(t.shop.store.orders.values())[ORDERS // 2].number
        t.shop.tamper = tamper
        assert_ok(t.run())
        outcome = assert_passed(t)
        return replace(
            outcome, detail="by smaller pages" if small else "by asking again", least=None
        )


def broken_order(target: Target) -> Outcome:
    """Pass by two orders for which alone the API fails; load them once they can be read."""
    api = target.api
    refuse_once(target, "what was handed out is gone")
    if api.paging.size_param is None:
        raise NotTriedError("the page size is the server's own")
    if api.ids is None and api.paging.kind not in {"page", "offset"}:
        raise NotTriedError("there is no [ids]")
    declared = declared_error(api, "broken", "simulated")
    failure = json_response(500, {"error": "simulated"})
    with trial(target, orders=ORDERS, odd=False) as t:
        broken = [list(t.shop.store.orders.values())[place] for place in (0, ORDERS // 2)]
        failures: dict[str | None, Response] = {order.number: failure for order in broken}
        if declared is not None:
            failures[broken[1].number] = json_response(200, declared)
        t.shop.tamper = _failing_for(failures, api)
        first = t.run()
        if "skipped" not in str(first.error):
            raise FailedError(f"it was not told what was skipped: {first.error}")
        missing = target.truth(t.shop)["orders"].keys() - t.warehouse().orders.keys()
        if missing != {target.name_of(t.shop, order) for order in broken}:
            raise FailedError(f"{len(missing)} orders are missing, not {len(broken)}")
        t.shop.tamper = lambda _, response: response
        assert_ok(t.run())
        assert_equal(t)
    return passed("status 500" + "; declared in JSON" * (declared is not None))


def _failing_for(failures: Mapping[str | None, Response], api: Api) -> Tamper:
    """Replace pages with an order of *failures*, by number, unless they list ids alone."""

    def tamper(request: Request, response: Response) -> Response:
        failing = [each.number for each in response.occurrences if each.number in failures]
        if not failing or lists_ids(api, request):
            return response
        return failures[failing[0]]

    return tamper


def _possible_loss(target: Target) -> Outcome:
    """Report the possible loss of a broken consume-once response, and lose nothing else."""
    failures = [0]

    def tamper(_: Request, response: Response) -> Response:
        failures[0] += 1
        return Response(500, b'{"error":"simulated"}') if failures[0] == 2 else response  # noqa: PLR2004

    with trial(target, orders=ORDERS, odd=False) as t:
        t.shop.tamper = tamper
        first = t.run()
        if first.possible_loss != 1 or first.error is None:
            raise FailedError("the answer that may have cost orders was not told of")
        assert_ok(t.run())
        missing = ORDERS - len(t.warehouse().orders)
        if missing != SIZE:
            raise FailedError(f"{missing} orders are missing, not the {SIZE} of one answer")
        return passed("told as possible loss; all others are held")


def token_expires(target: Target) -> Outcome:
    """Renew a token that expires in the middle of a run."""
    switches = target.expiring()
    if switches is None:
        raise NotTriedError("the token is the settings' own")
    with trial(target, orders=ORDERS, odd=False, **switches) as t:
        assert_ok(t.run())
        outcome = assert_passed(t)
        if t.shop.calls["token"] < 2:  # noqa: PLR2004
            raise FailedError("no second token was asked for")
        return replace(outcome, detail=f"{t.shop.calls['token']} tokens")


def repeated_last_page(target: Target) -> Outcome:
    """Stop at a server that repeats its last page forever."""
    kind = target.api.paging.kind
    if kind in {"single", "drain"}:
        raise NotTriedError(f"there are no pages: {kind}")
    with trial(target, orders=ORDERS, odd=False, repeats_last=True) as t:
        assert_ok(t.run())
        return assert_passed(t)


def export(target: Target) -> Outcome:
    """Read the file that the API writes in the first run."""
    if target.api.export is None:
        raise NotTriedError("there is no [export]")
    with trial(target, orders=2 * ORDERS, exports=True) as t:
        assert_ok(t.run())
        if "export" not in t.kinds():
            raise FailedError("pages were read, and no file")
        if t.shop.calls["list"] > 2 and not target.api.export.incomplete:  # noqa: PLR2004
            raise FailedError(f"pages were read all the same: {t.shop.calls['list']}")
        return replace(assert_passed(t), detail=f"{t.shop.calls['bulk']} calls for the file")


def endless_export(target: Target) -> Outcome:
    """Read the pages where the file never comes."""
    if target.api.export is None:
        raise NotTriedError("there is no [export]")
    with trial(target, orders=ORDERS, exports=True, endless=True) as t:
        assert_ok(t.run())
        outcome = assert_passed(t)
        if abs(t.waits.total - target.api.export.wait) > 1:
            raise FailedError(f"it waited {t.waits.total:.0f} s for the file")
        return replace(outcome, detail=f"pages after {t.waits.total:.0f} s")
