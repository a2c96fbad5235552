"""Cases of manners: limits, budgets, errors, tokens, and odd ends of a list."""

from dataclasses import replace
from math import ceil
from typing import Any

from orderpull.conform.mirror import SIZE, WAIT, Mirror
from orderpull.conform.outcome import (
    ORDERS,
    FailedError,
    NotTriedError,
    Outcome,
    passed,
    same,
    seen,
    token_calls,
    well,
)
from orderpull.conform.target import Stage
from orderpull.conform.trial import Strike, trial
from orderpull.simulator import Answer, Request


def rate_limit(stage: Stage) -> Outcome:
    """After 429 it waits as long as it is told, in the unit of the header."""
    with trial(stage, orders=ORDERS, odd=False, refuse={2 + token_calls(stage)}) as t:
        well(t.run())
        found = seen(t)
        longest = max(t.waits.each, default=0.0)
        if isinstance(t.shop, Mirror) and abs(longest - WAIT) > WAIT / 100:
            raise FailedError(f"asked to wait {WAIT:g} s, it waited {longest:.3g} s")
        return replace(found, words=f"waited {longest:.2g} s" if longest >= 1 else "")


def budget(stage: Stage) -> Outcome:
    """Where answers tell of a budget, it is kept."""
    if stage.api.limits.cost is None:
        raise NotTriedError("the file names no budget")
    switches: dict[str, Any] = {"budget": True} if stage.name == "mirror" else {"bucket": 1000}
    with trial(stage, orders=ORDERS, odd=False, **switches) as t:
        well(t.run())
        return replace(seen(t), words="")


def error_in_json(stage: Stage) -> Outcome:
    """An answer of status 200 that says it is busy is asked for again; a refusal ends the run."""
    if stage.name != "mirror":
        raise NotTriedError("tried on the mirror")
    if not stage.api.errors:
        raise NotTriedError("the file names none")
    struck: dict[str, int] = {"busy": 0, "refused": 0}

    def failing(means: str) -> Strike:
        def strike(_: Request, answer: Answer) -> Answer:
            if not answer.listed or struck[means]:
                return answer
            struck[means] = 1
            return shops[0].failure(means)

        return strike

    shops: list[Mirror] = []
    words = []
    for means in ("busy", "refused"):
        if not any(each.means == means for each in stage.api.errors):
            words.append(f"none that means {means}")
            continue
        with trial(stage, failing(means), orders=ORDERS, odd=False) as t:
            if isinstance(t.shop, Mirror):
                shops[:] = [t.shop]
            first = t.run()
            if (first.error is None) != (means == "busy"):
                raise FailedError(f"one that means {means}: {first.error or 'no error was told'}")
            well(t.run())
            same(t)
    return passed("; ".join(words))


def server_errors(stage: Stage) -> Outcome:
    """The server breaks down over a large page with one order in it."""
    if stage.api.consume_once:
        return _possible_loss(stage)
    small = stage.api.paging.size_param is not None
    failures = [0]

    def strike(_: Request, answer: Answer) -> Answer:
        named = [each.number for each in answer.occurrences]
        if not answer.listed or poison[0] not in named:
            return answer
        if len(named) <= 3 if small else failures[0] >= 2:  # noqa: PLR2004
            return answer
        failures[0] += 1
        return Answer(500, b'{"error":"simulated"}')

    poison = [""]
    with trial(stage, strike, orders=ORDERS, odd=False) as t:
        poison[0] = list(t.shop.store.orders.values())[ORDERS // 2].number
        well(t.run())
        found = seen(t)
        return replace(found, words="by smaller pages" if small else "by asking again", least=None)


def _possible_loss(stage: Stage) -> Outcome:
    """A consume-once API: what a broken answer may have cost is told, and nothing else is lost."""
    failures = [0]

    def strike(_: Request, answer: Answer) -> Answer:
        failures[0] += 1
        return Answer(500, b'{"error":"simulated"}') if failures[0] == 2 else answer  # noqa: PLR2004

    with trial(stage, strike, orders=ORDERS, odd=False) as t:
        first = t.run()
        if first.possible_loss != 1 or first.error is None:
            raise FailedError("the answer that may have cost orders was not told of")
        well(t.run())
        missing = ORDERS - len(t.held().orders)
        if missing != SIZE:
            raise FailedError(f"{missing} orders are missing, not the {SIZE} of one answer")
        return passed("told as possible loss; all others are held")


def token_expires(stage: Stage) -> Outcome:
    """A token that runs out midway is renewed."""
    switches = stage.expiring()
    if switches is None:
        raise NotTriedError("the token is the settings' own")
    with trial(stage, orders=ORDERS, odd=False, **switches) as t:
        well(t.run())
        found = seen(t)
        if t.shop.calls["token"] < 2:  # noqa: PLR2004
            raise FailedError("no second token was asked for")
        return replace(found, words=f"{t.shop.calls['token']} tokens")


def repeated_last_page(stage: Stage) -> Outcome:
    """A server that repeats its last page for ever is not read for ever."""
    kind = stage.api.paging.kind
    if kind in {"single", "drain"}:
        raise NotTriedError(f"there are no pages: {kind}")
    if stage.name != "mirror":
        switches: dict[str, Any] = {"repeat": {ceil(ORDERS / SIZE) + 1}}
    else:
        switches = {"repeats_last": True}
    with trial(stage, orders=ORDERS, odd=False, **switches) as t:
        well(t.run())
        return seen(t)


def export(stage: Stage) -> Outcome:
    """The first run reads the file that the API writes."""
    if stage.api.export is None:
        raise NotTriedError("there is no [export]")
    switches: dict[str, Any] = (
        {"exports": True} if stage.name == "mirror" else {"bulk_fails": False}
    )
    with trial(stage, orders=2 * ORDERS, **switches) as t:
        well(t.run())
        if t.shop.calls["list"] > 2:  # noqa: PLR2004
            raise FailedError(f"pages were read all the same: {t.shop.calls['list']}")
        return replace(seen(t), words=f"{t.shop.calls['bulk']} calls for the file")
