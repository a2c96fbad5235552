"""The rights in docs/landing.md are enough for all that is asked of S3, and no more than that."""

import fnmatch
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from orderpull.landing import open_landing
from tests.docs.markdown import ROOT, blocks
from tests.doubles.faulty_s3 import Asked, Line
from tests.landing.buckets import TestBucket
from tests.landing.pages import land

ACTIONS = {
    "LIST": "s3:ListBucket",
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}


def policy() -> list[dict[str, Any]]:
    """The statements of the policy in the docs."""
    (block,) = (b for b in blocks(ROOT / "docs" / "landing.md") if b.mark == "iam policy")
    return list(json.loads(block.text)["Statement"])


def allows(statement: dict[str, Any], asked: Asked, bucket: str) -> bool:
    """Whether *statement*, its bucket and prefix taken for those of the test, allows a request."""
    actions = statement["Action"]
    if ACTIONS[asked.operation] not in ([actions] if isinstance(actions, str) else actions):
        return False
    url = urlsplit(asked.path)
    resource = statement["Resource"].removeprefix("arn:aws:s3:::").replace("my-bucket", bucket)
    if not fnmatch.fnmatchcase(unquote(url.path).strip("/"), resource):
        return False
    if "Condition" not in statement:
        return True
    (wanted,) = statement["Condition"]["StringLike"].values()
    return fnmatch.fnmatchcase(parse_qs(url.query)["prefix"][0], wanted)


def test_the_policy_in_the_docs_is_enough_and_all_of_it_is_used(bucket: TestBucket) -> None:
    """Check, pull, adopt, read: each request is allowed, and each action is needed."""
    with Line(bucket.url) as line:
        settings = bucket.settings(url=f"s3://{bucket.name}/orders", endpoint=line.url)
        opened = open_landing(settings, Path())
        opened.check("shop")
        landing = opened.source("shop")
        with landing.pulling():
            draft = landing.begin_request(landing.next_page(), "GET http://shop.test/orders")
            assert landing.requests_in_flight()
            land(landing)
            draft.discard()
        landing.keep_cursor("2026-11-22", 1)
        assert landing.newest_cursor(None, 0) == "2026-11-22"
        assert landing.read(1)[0].page == 1
        assert not landing.has(2)
        asked = list(line.asked)
    statements = policy()
    refused = [
        request.path
        for request in asked
        if not any(allows(s, request, bucket.name) for s in statements)
    ]
    assert refused == []
    used = {ACTIONS[request.operation] for request in asked}
    actions = [s["Action"] for s in statements]
    assert used == {a for named in actions for a in ([named] if isinstance(named, str) else named)}
