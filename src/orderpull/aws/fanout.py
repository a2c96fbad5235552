"""Many sources: a message for each at every tick, and workers that pull what the messages name.

::

    {"source": "shop", "tick": "2026-11-22T14:00:00Z", "part": 1}      one message
    group = source                         so that no source is pulled twice at once
    deduplication id = source@tick#part    so that none is pulled twice for one tick

The queue is FIFO. A source that fails goes, with the reason, to the queue of failures, and its
message is done with: the next tick asks again, and a consume-once API is never asked again blindly.
SQS itself moves there only what ended its worker again and again.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from orderpull.aws.deadline import Remaining, stopping_after
from orderpull.aws.metrics import count, log, passes, tell_pulled
from orderpull.errors import Interrupted, OrderpullError, SettingsError, UsageError
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings
from orderpull.sources.spec.api import read_api

QUEUE, FAILED_QUEUE = "ORDERPULL_QUEUE", "ORDERPULL_FAILED_QUEUE"
"""The environment variables with the URLs of the two queues."""

PARTS = 100
"""How often a source may go on within one tick; after that the next tick goes on."""

_AT_ONCE = 10
_DEDUPLICATION_ID = 128


class Message(Struct, frozen=True):
    """What is to be pulled. :param part: 1, or more where time ran out before the source's end."""

    source: str
    tick: str
    part: int = 1

    @property
    def once(self) -> str:
        """What is the same for the same work: at most 128 characters, as SQS has it."""
        text = f"{self.source}@{self.tick}#{self.part}"
        if len(text) <= _DEDUPLICATION_ID and text.isascii() and " " not in text:
            return text
        return hashlib.sha256(text.encode()).hexdigest()

    def entry(self, number: int) -> dict[str, str]:
        """As one of several that SQS takes at once."""
        return {
            "Id": str(number),
            "MessageBody": msgspec.json.encode(self).decode(),
            "MessageGroupId": self.source,
            "MessageDeduplicationId": self.once,
        }


def dispatch(names: Sequence[str], tick: object) -> dict[str, Any]:
    """A message for each source; the same tick sent again is taken once, within five minutes.

    :param tick: when it was due, as the scheduler says; what makes two of a source differ.
    :raises UsageError: the event says no tick.
    """
    if not isinstance(tick, str) or not tick:
        raise UsageError(
            "The event to dispatch says no tick.",
            'Give {"do": "dispatch", "tick": "<aws.scheduler.scheduled-time>"}.',
        )
    _send([Message(name, tick) for name in names])
    count("Dispatched", len(names))
    log.info("dispatched", extra={"sources": len(names), "tick": tick})
    return {"dispatched": len(names), "tick": tick}


def pull_queued(
    settings: Settings, records: Sequence[Mapping[str, Any]], remaining: Remaining
) -> dict[str, Any]:
    """Pull the sources that *records* of the queue name into the landing.

    When this returns, all of them are done with. If it raises, SQS hands them out again.

    :raises OrderpullError: warehouse or landing cannot be used, and nothing was asked.
    """
    wanted = _wanted(settings, records)
    if not wanted:
        count("FailedSources", 0)
        return {"sources": {}}
    chosen = settings.chosen(tuple(wanted)).values()
    with stopping_after(remaining.to_pull(chosen)) as stop:
        work = Pipeline(settings, wanted, stop=stop)
        result = work.timed(work.pull)
    if result.error and not isinstance(result.error, Interrupted):
        raise result.error
    unfinished = []
    for name, source in result.sources.items():
        if source.error and not passes(source.error):
            _fail(wanted[name], name, source.error)
        elif source.error is None and stop.asked and work.records[name].pulled_at is None:
            unfinished.append(wanted[name])
    _go_on(unfinished)
    tell_pulled(result)
    return result.as_json()


def apart(settings: Settings, names: Iterable[str]) -> tuple[list[str], dict[str, OrderpullError]]:
    """Which of *names* can be worked on, and what is wrong with the others: they stop nobody."""
    readable, unreadable = [], dict[str, OrderpullError]()
    for name in names:
        try:
            (source,) = settings.chosen((name,)).values()
            read_api(source.api, settings.folder)
        except UsageError as error:
            unreadable[name] = error
        else:
            readable.append(name)
    return readable, unreadable


def _wanted(settings: Settings, records: Sequence[Mapping[str, Any]]) -> dict[str, Message]:
    """What to pull, by source: several ticks of one are one pull. What cannot be, is failed."""
    wanted: dict[str, Message] = {}
    for record in records:
        body = str(record["body"])
        try:
            message = msgspec.json.decode(body, type=Message)
        except msgspec.DecodeError:
            _fail(body, "unreadable", UsageError("The message is none of orderpull's."))
            count("FailedSources", 1)
        else:
            wanted[message.source] = message
    readable, unreadable = apart(settings, wanted)
    for name, error in unreadable.items():
        _fail(wanted[name], name, error)
        count("FailedSources", 1)
    return {name: wanted[name] for name in readable}


def _go_on(unfinished: Sequence[Message]) -> None:
    """A message for each source of which there is more: another invocation goes on at once."""
    more = [Message(m.source, m.tick, m.part + 1) for m in unfinished if m.part < PARTS]
    _send(more)
    count("Continued", len(more))


def _fail(message: Message | str, group: str, error: OrderpullError) -> None:
    """Put *message* into the queue of failures, with the reason beside it."""
    body = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    once = message.once if isinstance(message, Message) else hashlib.sha256(body.encode())
    log.error(error.message, extra={"source": group, "hint": error.hint})
    told = {"kind": type(error).__name__, "reason": str(error)}
    _ask(
        "send_message",
        FAILED_QUEUE,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=once if isinstance(once, str) else once.hexdigest(),
        MessageAttributes={
            key: {"DataType": "String", "StringValue": text} for key, text in told.items()
        },
    )


def _send(messages: Sequence[Message]) -> None:
    for first in range(0, len(messages), _AT_ONCE):
        entries = [m.entry(n) for n, m in enumerate(messages[first : first + _AT_ONCE])]
        answer = _ask("send_message_batch", QUEUE, Entries=entries)
        if refused := answer.get("Failed"):
            raise OrderpullError(
                f"The queue took {len(entries) - len(refused)} of {len(entries)} messages "
                f"({refused[0].get('Code', 'no reason given')}).",
                "Send the tick again: what was taken is taken once.",
            )


def _ask(action: str, variable: str, **words: object) -> Any:  # noqa: ANN401 - boto3 has no types
    url = os.environ.get(variable, "")
    if not url:
        raise SettingsError(
            f"The environment variable {variable} is not set.",
            "Give it the URL of the queue; deploy/aws/template.yaml does.",
        )
    try:
        return getattr(_sqs(), action)(QueueUrl=url, **words)
    except (BotoCoreError, ClientError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
        raise OrderpullError(
            f"The queue of {variable} cannot be used: {code}.",
            "Check that it is there, and that the function's role may send to it.",
        ) from None


@cache
def _sqs() -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.client("sqs")
