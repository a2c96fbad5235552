"""deploy/aws/template.yaml: sound by three linters, and its roles may do what they need alone."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from orderpull.aws import fanout, handler, settings_source
from tests.aws.emulator import make, set_up
from tests.aws.image_template import IMAGE_TEMPLATE, TEMPLATE, image_template
from tests.docs.markdown import ROOT, rows, section
from tests.servers import KEYS, free_port

HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
BUCKET = "orders"

WIDE = {
    ("ReadStage", "${Bucket.Arn}/stage/*"): "objects of the stage, all of one run's making",
    ("Land", "${Bucket.Arn}/raw/*"): "the landing's pages",
    ("LetGoOfNotes", "${Bucket.Arn}/raw/*/in-flight/*"): "notes of each source",
    ("Stage", "${Bucket.Arn}/stage/*"): "objects of the stage, all of one run's making",
    ("NetworkInterfaces", "*"): "they have no name before Lambda makes them in the VPC",
}
"""Every `*` that an Allow may have as a resource, with the reason."""


_Loader: Any = type("_Loader", (yaml.SafeLoader,), {})
"""Reads CloudFormation's short forms: ``!Sub text`` as its text, ``!GetAtt a.b`` as ``a.b``."""


def _short(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _short)


@cache
def resources() -> dict[str, Any]:
    """The template's resources."""
    return dict(yaml.load(TEMPLATE.read_text("utf-8"), _Loader)["Resources"])


def statements(found: object) -> Iterator[dict[str, Any]]:
    """Every statement of every policy below *found*, but those of who may take on a role."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "Statement":
                yield from value
            elif key != "AssumeRolePolicyDocument":
                yield from statements(value)
    elif isinstance(found, list):
        for value in found:
            yield from statements(value)


def texts(value: object) -> list[str]:
    """*value* as the texts in it."""
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [str(value)]


def test_no_right_is_wider_than_it_is_explained() -> None:
    """No action has a `*`; a resource has one only where WIDE says why, and WIDE says no more."""
    allowed = [one for one in statements(resources()) if one["Effect"] == "Allow"]
    assert len(allowed) > 12
    assert [a for one in allowed for a in texts(one["Action"]) if "*" in a] == []
    assert not any("NotAction" in one or "NotResource" in one for one in allowed)
    wide = {
        (one["Sid"], resource)
        for one in allowed
        for resource in texts(one["Resource"])
        if "*" in resource
    }
    assert wide == set(WIDE)


def test_the_environment_is_what_the_handler_reads() -> None:
    """Each variable of the template is one that the code knows, and each that it needs is there."""
    text = TEMPLATE.read_text("utf-8")
    for name in (
        settings_source.SETTINGS,
        settings_source.SECRETS,
        fanout.QUEUE,
        fanout.FAILED_QUEUE,
    ):
        assert f"{name}: " in text
    assert f"Handler: {handler.__name__}.handler" in text


def test_nothing_is_tried_again_by_itself() -> None:
    """Schedules and invocations: no retries, two minutes at most, and a queue for what failed."""
    found = resources()
    targets = [
        each["Properties"]["Target"]
        for each in found.values()
        if each["Type"] == "AWS::Scheduler::Schedule"
    ]
    assert len(targets) == 2
    for target in targets:
        assert target["RetryPolicy"] == {
            "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 120
        }  # fmt: skip
        assert target["DeadLetterConfig"] == {"Arn": "FailedRuns.Arn"}
    functions = [e["Properties"] for e in found.values() if e["Type"].endswith("::Function")]
    invoked = [each["EventInvokeConfig"] for each in functions if "EventInvokeConfig" in each]
    assert len(invoked) == len(functions) - 1, "but for the workers, whom the queue invokes"
    assert {each["MaximumRetryAttempts"] for each in invoked} == {0}


def test_the_queue_waits_six_times_as_long_as_a_worker_may_take() -> None:
    """As AWS recommends, so that no message is handed out while it is worked on."""
    found = resources()
    seconds = found["PullQueue"]["Properties"]["VisibilityTimeout"]
    assert seconds >= 6 * found["WorkFunction"]["Properties"]["Timeout"]


def test_every_metric_with_an_alarm_is_one_that_is_told() -> None:
    """The names in the template, in the docs and in the code are the same."""
    code = "".join(p.read_text("utf-8") for p in (ROOT / "src/orderpull/aws").glob("*.py"))
    watched = {
        each["Properties"]["MetricName"]
        for each in resources().values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
        and each["Properties"]["Namespace"] == "orderpull"
    }
    assert watched == {"FailedRuns", "FailedSources", "PossibleLoss", "Rejects", "StaleSeconds"}
    table = rows(section(ROOT / "docs" / "aws.md", "## What tells you that something is wrong"))
    told = {name for row in table for name in row["metric"].replace("`", "").split(", ")}
    assert watched <= told
    assert [name for name in told if f'"{name}"' not in code] == []


@pytest.mark.long
def test_three_linters_find_nothing() -> None:
    """cfn-lint, sam validate and checkov, each in an environment that make sets up."""
    for name in ("sam", "checkov"):
        set_up(name)
    done = make("lint-aws")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("is a valid SAM Template") == 2


def test_the_template_for_an_image_is_made_from_the_other() -> None:
    """It is up to date; its functions name an image, and no code of a zip."""
    text = IMAGE_TEMPLATE.read_text("utf-8")
    assert text == image_template(), "run scripts/write-image-template"
    found = dict(yaml.load(text, _Loader))
    functions = [e for e in found["Resources"].values() if e["Type"].endswith("::Function")]
    assert len(functions) == 4
    for each in functions:
        assert each["Properties"]["PackageType"] == "Image"
        assert each["Properties"]["ImageUri"] == "ImageUri"
    assert not {"CodeUri", "Handler", "Runtime"} & set(found["Globals"]["Function"])
    assert set(found["Resources"]) == set(resources())
    assert (
        len(found["Parameters"])
        == len(yaml.load(TEMPLATE.read_text("utf-8"), _Loader)["Parameters"]) + 1
    )


def test_image_and_zip_are_one_function() -> None:
    """The same Python, packages and handler."""
    text = (ROOT / "deploy" / "aws" / "Containerfile").read_text("utf-8")
    function = yaml.load(TEMPLATE.read_text("utf-8"), _Loader)["Globals"]["Function"]
    version = function["Runtime"].removeprefix("python")
    assert f"FROM public.ecr.aws/lambda/python:{version}\n" in text
    assert f'CMD ["{function["Handler"]}"]' in text
    assert "--require-hashes" in text
    assert f"version=${{1:-{version}}}" in (ROOT / "scripts" / "lambda-zip").read_text("utf-8")


@pytest.mark.skipif(
    HADOLINT is None, reason="hadolint is not installed: it is made for x86_64 alone"
)
def test_a_linter_finds_nothing_in_the_containerfile() -> None:
    done = subprocess.run(
        [str(HADOLINT), "--no-color", "deploy/aws/Containerfile"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A moto of its own that asks IAM before it does anything, once it is told to."""
    port = free_port()
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log, stderr=log, env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "inf"},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urlopen(f"{url}/moto-api/", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    server.kill()
    server.wait()


def policies(role: str) -> Iterator[dict[str, Any]]:
    """The role's statements about the bucket, for a bucket that is there."""
    for one in statements(resources()[role]):
        told = [
            text.replace("${Bucket.Arn}", f"arn:aws:s3:::{BUCKET}")
            for text in texts(one["Resource"])
        ]
        if all(text.startswith("arn:aws:s3") for text in told):
            yield {"Effect": "Allow", "Action": texts(one["Action"]), "Resource": told}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (
            "CopyRole",
            ["get stage/run/a.parquet"],
            ["get raw/shop/2026-11/1.zst", "get other", "put stage/run/a.parquet",
             "delete stage/run/a.parquet"],
        ),
        (
            "LoaderRole",
            ["put raw/shop/2026-11/2.zst", "get raw/shop/2026-11/1.zst", "put stage/run/b.parquet",
             "delete stage/run/b.parquet", "delete raw/shop/in-flight/3.part"],
            ["delete raw/shop/2026-11/1.zst", "get stage/run/a.parquet", "put other", "get other"],
        ),
    ],
)  # fmt: skip
def test_a_role_is_denied_outside_its_prefix(
    role: str, may: list[str], may_not: list[str], guarded: str
) -> None:
    """With the policy of the template and IAM enforced, as moto does it."""
    _enforce(guarded, "inf")
    s3, iam, sts = (
        boto3.client(each, endpoint_url=guarded, **KEYS) for each in ("s3", "iam", "sts")
    )
    s3.create_bucket(Bucket=BUCKET)
    for key in ("stage/run/a.parquet", "raw/shop/2026-11/1.zst", "other"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    document = json.dumps({"Version": "2012-10-17", "Statement": list(policies(role))})
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=document)
    got = sts.assume_role(RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName="test")[
        "Credentials"
    ]
    _enforce(guarded, "0")
    taken_on = boto3.client(
        "s3", endpoint_url=guarded, region_name="us-east-1",
        aws_access_key_id=got["AccessKeyId"], aws_secret_access_key=got["SecretAccessKey"],
        aws_session_token=got["SessionToken"],
    )  # fmt: skip
    assert [each for each in may if not _does(taken_on, each)] == []
    assert [each for each in may_not if _does(taken_on, each)] == []


def _does(s3: Any, asked: str) -> bool:
    """Whether S3 does what is asked, such as ``get KEY``."""
    action, key = asked.split()
    try:
        getattr(s3, f"{action}_object")(Bucket=BUCKET, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"AccessDenied", "403"}:
            raise
        return False
    return True


def _enforce(moto: str, after: str) -> None:
    """Have moto ask IAM after so many further calls."""
    asked = Request(f"{moto}/moto-api/reset-auth", after.encode(), {"Content-Type": "text/plain"})
    urlopen(asked, timeout=10).close()
