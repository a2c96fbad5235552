"""Fan-out over many sources: a message for each source at every tick, pulled by workers.

::

    {"source": "shop", "tick": "2026-11-22T14:00:00Z", "part": 1}      message
    group = source                         one pull of a source at a time
    deduplication id = source@tick#part    one pull of a source for each tick

The queue is FIFO. If a source fails, its message goes with the reason to the dead-letter queue
and is finished. The next tick retries, so that a consume-once API is never retried blindly. SQS
itself moves a message there only after its worker has died repeatedly.
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

from orderpull.aws.deadline import END_SECONDS, request_seconds, stop_after
from orderpull.aws.metrics import count, is_transient, log, record_pull
from orderpull.errors import Interrupted, OrderpullError, SettingsError, UsageError
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings
from orderpull.sources.spec.reader import read_api

QUEUE, FAILED_QUEUE = "ORDERPULL_QUEUE", "ORDERPULL_FAILED_QUEUE"
"""Environment variables with the URLs of the queue and of its dead-letter queue."""

MAX_PARTS = 100
"""Highest number of invocations for one source and tick; the next tick continues."""

_BATCH_SIZE = 10
_DEDUP_ID_LENGTH = 128


class Message(Struct, frozen=True):
    """Request to pull a source.

    :param part: counts the invocations for one tick; above 1 if the time ran out before.
    """

    source: str
    tick: str
    part: int = 1

    @property
    def dedup_id(self) -> str:
        """SQS deduplication id: equal for equal messages, at most 128 characters."""
        text = f"{self.source}@{self.tick}#{self.part}"
        if len(text) <= _DEDUP_ID_LENGTH and text.isascii() and " " not in text:
            return text
        return _digest(text)

    def entry(self, number: int) -> dict[str, str]:
        """Return the entry of this message in an SQS batch."""
        return {
            "Id": str(number),
            "MessageBody": msgspec.json.encode(self).decode(),
            "MessageGroupId": self.source,
            "MessageDeduplicationId": self.dedup_id,
        }


def dispatch(names: Sequence[str], tick: object) -> dict[str, Any]:
    """Send a message for each source. SQS drops a repeated tick within five minutes.

    :param tick: scheduled time, which distinguishes two messages of one source.
    :raises UsageError: the event has no tick.
    """
    if not isinstance(tick, str) or not tick:
        raise UsageError(
            "The dispatch event has no tick.",
            'Send {"do": "dispatch", "tick": "<aws.scheduler.scheduled-time>"}.',
        )
    _send([Message(name, tick) for name in names])
    count("Dispatched", len(names))
    log.info("dispatched", extra={"sources": len(names), "tick": tick})
    return {"dispatched": len(names), "tick": tick}


def pull_queued(
    settings: Settings, records: Sequence[Mapping[str, Any]], remaining: float
) -> dict[str, Any]:
    """Pull the sources named by *records* of the queue into the landing.

    After a return all messages are finished. After an error SQS delivers them again.

    :raises OrderpullError: warehouse or landing cannot be used, and no request was sent.
    """
    messages = _readable_messages(settings, records)
    if not messages:
        count("FailedSources", 0)
        return {"sources": {}}
    sources = settings.chosen(tuple(messages)).values()
    with stop_after(request_seconds(remaining, remaining - END_SECONDS, sources)) as stop:
        work = Pipeline(settings, messages, stop=stop)
        result = work.timed(work.pull)
    if result.error and not isinstance(result.error, Interrupted):
        raise result.error
    unfinished = []
    for name, source in result.sources.items():
        if source.error and not is_transient(source.error):
            _fail(messages[name], name, source.error)
        elif source.error is None and stop.requested and work.records[name].pulled_at is None:
            unfinished.append(messages[name])
    # Another invocation continues the unfinished sources at once.
    more = [Message(m.source, m.tick, m.part + 1) for m in unfinished if m.part < MAX_PARTS]
    _send(more)
    count("Continued", len(more))
    record_pull(result)
    return result.as_json()


def split_readable(
    settings: Settings, names: Iterable[str]
) -> tuple[list[str], dict[str, OrderpullError]]:
    """Split *names* into sources with readable settings, and the errors of the other ones."""
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


def _readable_messages(
    settings: Settings, records: Sequence[Mapping[str, Any]]
) -> dict[str, Message]:
    """Return the last message of each source, and fail the unreadable ones.

    Several ticks of one source become one pull.
    """
    messages: dict[str, Message] = {}
    for record in records:
        body = str(record["body"])
        try:
            message = msgspec.json.decode(body, type=Message)
        except msgspec.DecodeError:
            _fail(body, "unreadable", UsageError("The message was not sent by orderpull."))
            count("FailedSources", 1)
        else:
            messages[message.source] = message
    readable, unreadable = split_readable(settings, messages)
    for name, error in unreadable.items():
        _fail(messages[name], name, error)
        count("FailedSources", 1)
    return {name: messages[name] for name in readable}


def _fail(message: Message | str, group: str, error: OrderpullError) -> None:
    """Send *message* to the dead-letter queue, with the reason as its attributes."""
    if isinstance(message, str):
        body, dedup_id = message, _digest(message)
    else:
        body, dedup_id = msgspec.json.encode(message).decode(), message.dedup_id
    log.error(error.message, extra={"source": group, "hint": error.hint})
    attributes = {"kind": type(error).__name__, "reason": str(error)}
    _call_sqs(
        "send_message",
        FAILED_QUEUE,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=dedup_id,
        MessageAttributes={
            key: {"DataType": "String", "StringValue": text} for key, text in attributes.items()
        },
    )


def _send(messages: Sequence[Message]) -> None:
    for first in range(0, len(messages), _BATCH_SIZE):
        entries = [m.entry(n) for n, m in enumerate(messages[first : first + _BATCH_SIZE])]
        response = _call_sqs("send_message_batch", QUEUE, Entries=entries)
        if refused := response.get("Failed"):
            raise OrderpullError(
                f"The queue took {len(entries) - len(refused)} of {len(entries)} messages "
                f"({refused[0].get('Code', 'no reason given')}).",
                "Send the tick again. SQS drops the messages it already has.",
            )


def _call_sqs(action: str, variable: str, **arguments: object) -> Any:  # noqa: ANN401 - boto3 has no types
    url = os.environ.get(variable, "")
    if not url:
        raise SettingsError(
            f"The environment variable {variable} is not set.",
            "Set it to the URL of the queue, as deploy/aws/template.yaml does.",
        )
    try:
        return getattr(_sqs(), action)(QueueUrl=url, **arguments)
    except (BotoCoreError, ClientError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
        raise OrderpullError(
            f"The queue of {variable} cannot be used: {code}.",
            "Check that the queue exists, and that the function's role may send to it.",
        ) from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _sqs() -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.client("sqs")
