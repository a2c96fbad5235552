"""docs/redshift.md: its policies are enough and no more, its SQL and its messages are real."""

import fnmatch
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from orderpull import parse_settings, run
from orderpull.destinations.redshift import auth
from orderpull.destinations.redshift.auth import Address, login
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.docs.generated import PACKAGE
from tests.docs.markdown import ROOT, blocks, marked, rows, section
from tests.doubles.faulty_s3 import Asked, Line
from tests.servers import aws_client, s3_server
from tests.warehouses import LIVE, Warehouse, warehouse

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs" / "redshift.md"
ACTIONS = {"LIST": "s3:ListBucket", "PUT": "s3:PutObject", "POST": "s3:DeleteObject"}
SHOP: dict[str, Any] = {"orders": 120, "per_call": 60, "seed": 3, "malformed": 0.05}


def statements(mark: str) -> list[dict[str, Any]]:
    """The statements of a policy in the docs."""
    return list(json.loads(marked(DOCS, f"redshift: {mark}").text)["Statement"])


def actions(mark: str) -> list[str]:
    """The actions that a policy allows, one by one."""
    named = [statement["Action"] for statement in statements(mark)]
    return [one for each in named for one in ([each] if isinstance(each, str) else each)]


def reaches(statement: dict[str, Any], action: str, bucket: str, key: str, prefix: str) -> bool:
    """Whether *statement* allows *action*, its bucket taken for *bucket*.

    :param key: of the object; '' for the bucket itself. :param prefix: what a listing asks for.
    """
    if action not in statement["Action"]:
        return False
    resource = statement["Resource"].removeprefix("arn:aws:s3:::").replace("my-bucket", bucket)
    if not fnmatch.fnmatchcase(f"{bucket}/{key}".rstrip("/"), resource):
        return False
    if "Condition" not in statement:
        return True
    (wanted,) = statement["Condition"]["StringLike"].values()
    return fnmatch.fnmatchcase(prefix, wanted)


def needed(asked: Asked) -> Iterator[tuple[str, str, str]]:
    """What a request on the line needs: action, key, prefix."""
    url = urlsplit(asked.path)
    key = unquote(url.path).strip("/").partition("/")[2]
    if asked.operation == "POST":
        assert "delete" in url.query
        for each in re.findall(r"<Key>([^<]+)</Key>", asked.body.decode()):
            yield ACTIONS["POST"], each, ""
    elif asked.operation == "LIST":
        yield ACTIONS["LIST"], "", parse_qs(url.query)["prefix"][0]
    else:
        yield ACTIONS[asked.operation], key, ""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    monkeypatch.delenv(LIVE, raising=False)
    with warehouse("redshift", tmp_path / "here") as made:
        yield made


def test_the_loaders_policy_is_enough_and_all_of_it_is_used(place: Warehouse) -> None:
    """Set up, load, sweep: each request to the bucket is allowed, and each action is needed."""
    with Line(s3_server()) as line, Simulator(SkubanaAssessment(**SHOP)) as simulator:
        assert run(place.settings(simulator.url, endpoint=line.url)).error is None
        asked = [need for request in line.asked for need in needed(request)]
    policy = statements("loader policy")
    refused = [
        (action, key, prefix)
        for action, key, prefix in asked
        if not any(reaches(one, action, place.bucket, key, prefix) for one in policy)
    ]
    assert refused == []
    assert {action for action, *_ in asked} == set(actions("loader policy"))


def test_the_copy_policy_reaches_what_was_put_and_nothing_else(place: Warehouse) -> None:
    """Every part and every manifest; no key beside the stage, and no writing."""
    with Line(s3_server()) as line, Simulator(SkubanaAssessment(**SHOP)) as simulator:
        assert run(place.settings(simulator.url, endpoint=line.url)).error is None
        put = [key for each in line.asked for action, key, _ in needed(each) if "Put" in action]
    policy = statements("copy policy")

    def may_read(key: str) -> bool:
        return any(reaches(one, "s3:GetObject", place.bucket, key, "") for one in policy)

    assert any(key.endswith(".manifest") for key in put)
    assert all(may_read(key) for key in put)
    assert not may_read("orders/shop/2026-11/000000000001.json.zst")
    assert sorted(actions("copy policy")) == ["s3:GetObject", "s3:ListBucket"]


def test_copies_and_calls_are_as_told(place: Warehouse) -> None:
    """COPYs for each batch at most nine; with nothing new, one; two PUTs for each at least."""
    assert place.double is not None
    with Line(s3_server()) as line, Simulator(SkubanaAssessment(**SHOP)) as simulator:
        settings = place.settings(simulator.url, endpoint=line.url)
        result = run(settings)
        assert result.error is None
        batches = place.query("SELECT sum(batches) FROM orderpull_run")[0][0]
        copies = [s for s in place.double.statements if s.startswith("COPY")]
        assert 1 < len(copies) <= 1 + 9 * batches
        assert line.count("PUT") >= 2 * len(copies)
        before = len(place.double.statements)
        run(settings)
        again = [s for s in place.double.statements[before:] if s.startswith("COPY")]
    assert len(again) == 1


def test_trust_and_lifecycle_are_taken() -> None:
    """IAM and S3, as moto plays them, take both documents."""
    client = aws_client("s3", s3_server())
    client.create_bucket(Bucket="lifecycle-of-the-docs")
    rules = json.loads(marked(DOCS, "redshift: lifecycle").text)
    client.put_bucket_lifecycle_configuration(
        Bucket="lifecycle-of-the-docs", LifecycleConfiguration=rules
    )
    got = client.get_bucket_lifecycle_configuration(Bucket="lifecycle-of-the-docs")["Rules"]
    assert (got[0]["Filter"], got[0]["Expiration"]) == ({"Prefix": "stage/"}, {"Days": 1})
    trust = marked(DOCS, "redshift: trust policy").text
    role = aws_client("iam", s3_server()).create_role(
        RoleName="copy-of-the-docs", AssumeRolePolicyDocument=trust
    )["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"]["Service"] == [
        "redshift.amazonaws.com", "redshift-serverless.amazonaws.com",
    ]  # fmt: skip


def test_logins_ask_for_what_the_policies_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the settings asks AWS one thing, about what the policy names."""
    asked: dict[str, dict[str, object]] = {}

    def ask(_: object, service: str, action: str, **words: object) -> dict[str, str]:
        asked[f"{service}:{action.title().replace('_', '')}"] = words
        secret = json.dumps({"username": "u", "password": "p"})
        return {"DbUser": "u", "DbPassword": "p", "dbUser": "u", "dbPassword": "p",
                "SecretString": secret}  # fmt: skip

    monkeypatch.setattr(auth, "_call_aws", ask)
    for block in blocks(DOCS, language="toml"):
        settings = parse_settings(block.text).destination
        address = Address.parse(settings.url)
        assert login(address, settings).user == "u"
        assert address.sslmode == "verify-full"
    policies = {statement["Action"]: statement for statement in statements("login policies")}
    assert set(asked) == set(policies)
    cluster = asked["redshift:GetClusterCredentials"]
    reached = policies["redshift:GetClusterCredentials"]["Resource"]
    assert [arn.rpartition(":")[2] for arn in reached] == [
        f"{cluster['ClusterIdentifier']}/{cluster['DbUser']}",
        f"{cluster['ClusterIdentifier']}/{cluster['DbName']}",
    ]
    secret = policies["secretsmanager:GetSecretValue"]["Resource"]
    assert asked["secretsmanager:GetSecretValue"]["SecretId"] == secret


def test_the_messages_are_those_of_the_program() -> None:
    """Each message in the table of errors stands in the code."""
    files = [PACKAGE / "s3.py", *(PACKAGE / "destinations").rglob("*.py")]
    code = " ".join(re.sub(r'"\s+f?"', "", file.read_text("utf-8")) for file in files)
    table = rows(section(DOCS, "## Errors"))
    assert len(table) > 10
    for row in table:
        for message in re.split(r"`, `|` … `", row["message"]):
            assert message in code or message == "refuses: permission denied", message
