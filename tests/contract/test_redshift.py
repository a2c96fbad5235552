"""What only Redshift has: logins, the bucket, COPY, and SQL of its own."""

import json
from datetime import date
from typing import Any

import duckdb
import pytest

from orderpull import load, pull, report, run
from orderpull.destinations.protocol import Destination
from orderpull.destinations.redshift import stage
from orderpull.destinations.redshift.auth import Address
from orderpull.destinations.redshift.stage import parquet
from orderpull.errors import DestinationError, SettingsError
from orderpull.model import ORDER_HEADER
from orderpull.operate.replay import replay
from orderpull.s3 import Bucket
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.contract.stored import stored_orders
from tests.doubles.redshift import WireError
from tests.doubles.redshift.grammar import unparsable
from tests.servers import aws_client, s3_server
from tests.warehouses import Warehouse

SHOP: dict[str, Any] = {"orders": 90, "per_call": 30, "seed": 3, "versions": 0.3}


@pytest.mark.blank
def test_every_statement_is_redshifts_sql_by_anothers_grammar(redshift: Warehouse) -> None:
    """Setting up, loading, replaying, reading, verifying: sqlfluff finds nothing to object to."""
    with Simulator(SkubanaAssessment(**SHOP, malformed=0.05)) as simulator:
        settings = redshift.settings(simulator.url, "reject_limit = 1")
        assert run(settings).error is None
        assert replay(settings).result.error is None
        report(settings, country=["DE", "(no country)"], since=date(2026, 1, 1))
    assert redshift.double is not None
    said = redshift.double.statements
    for word in (
        "CREATE TABLE",
        "CREATE OR REPLACE VIEW",
        "COPY",
        "LOCK",
        "DELETE",
        "INSERT",
        "BEGIN READ",
    ):
        assert any(statement.strip().startswith(word) for statement in said), word
    assert unparsable(said) == []


def test_rows_come_by_copy_with_a_role_and_no_other_way(redshift: Warehouse) -> None:
    """No INSERT of values but for the ledger's own few rows; a manifest with lengths, mandatory."""
    manifests: list[dict[str, Any]] = []

    def look(statement: str) -> None:
        if statement.startswith("COPY"):
            name = statement.split("'")[1].removeprefix(f"s3://{redshift.bucket}/")
            got = aws_client("s3", s3_server()).get_object(Bucket=redshift.bucket, Key=name)
            manifests.append(json.loads(got["Body"].read()))

    assert redshift.double is not None
    redshift.double.gate = look
    with Simulator(SkubanaAssessment(**SHOP)) as simulator:
        assert run(redshift.settings(simulator.url)).ok
    assert manifests
    entries = [entry for manifest in manifests for entry in manifest["entries"]]
    assert all(entry["mandatory"] and entry["meta"]["content_length"] > 0 for entry in entries)
    values = [s for s in redshift.double.statements if "INSERT" in s and "VALUES" in s]
    assert {s.split()[2] for s in values} <= {
        "orderpull_run", "orderpull_cursor", "orderpull_schema", "summary_state",
    }  # fmt: skip
    assert redshift.staged() == []


def test_a_bucket_that_keeps_its_files_for_a_while(
    redshift: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that is committed has gone well; its files are deleted at the end."""
    delete = Bucket.delete_all
    failed: list[list[str]] = []

    def fail_once(bucket: Bucket, keys: Any) -> None:
        if any("new_order_header" in key for key in keys) and not failed:
            failed.append(list(keys))
            raise DestinationError("The stage cannot be used.")
        delete(bucket, keys)

    monkeypatch.setattr(Bucket, "delete_all", fail_once)
    with Simulator(SkubanaAssessment(**SHOP)) as simulator:
        assert run(redshift.settings(simulator.url)).ok
        assert stored_orders(redshift) == simulator.truth()["orders"]
    assert failed
    assert redshift.staged() == []


def test_large_tables_go_in_parts(redshift: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several files for one COPY, all of them loaded."""
    monkeypatch.setattr(stage, "PART_BYTES", "40KB")
    monkeypatch.setattr(stage, "ROWS_AT_ONCE", 2048)
    monkeypatch.setattr("orderpull.loading.pages.BATCH_ORDERS", 50_000)
    parts: list[int] = []
    put = stage.StageFiles.put

    def counting(files: Any, name: str, paths: Any) -> str:
        parts.append(len(paths))
        return put(files, name, paths)

    monkeypatch.setattr(stage.StageFiles, "put", counting)
    with Simulator(SkubanaAssessment(orders=6000, per_call=2000, seed=3)) as simulator:
        assert run(redshift.settings(simulator.url)).ok
        assert stored_orders(redshift) == simulator.truth()["orders"]
    assert max(parts) > 1


def test_types_are_compared_by_position_before_the_put() -> None:
    """A query whose columns are not the table's never becomes a file that is loaded."""
    columns = ORDER_HEADER.columns
    values = ", ".join(f"NULL AS {column.name}" for column in columns)
    with duckdb.connect() as stage:
        with parquet(stage, columns, f"SELECT {values}") as (rows, files):
            assert (rows, len(files)) == (1, 1)
            found = stage.execute(
                "SELECT name, type, converted_type FROM parquet_schema(?) OFFSET 1",
                [str(files[0])],
            ).fetchall()
        assert [name for name, *_ in found] == [column.name for column in columns]
        assert {kind for _, kind, _ in found} <= {
            "BYTE_ARRAY", "INT64", "BOOLEAN", "FIXED_LEN_BYTE_ARRAY",
        }  # fmt: skip
        with pytest.raises(duckdb.Error), parquet(stage, columns, "SELECT 1 AS ordernumber"):
            pass


@pytest.fixture
def aws(redshift: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The services that give logins."""
    assert redshift.double is not None
    issuer = redshift.double.issuer.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT", issuer)
    monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", issuer)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", s3_server())
    return redshift


def without_password(place: Warehouse, **changed: object) -> Destination:
    """It, with another way to log in."""
    place.lines.pop("password")
    return place.open(**changed)


def test_login_by_iam_to_a_provisioned_cluster(aws: Warehouse) -> None:
    """GetClusterCredentials for the user in the URL; every connection asks anew."""
    client = aws_client("redshift", s3_server())
    client.create_cluster(
        ClusterIdentifier="shop", NodeType="ra3.large", MasterUsername="admin",
        MasterUserPassword="Secret1234",
    )  # fmt: skip
    destination = without_password(aws, auth="iam", cluster="shop")
    destination.preflight()
    assert aws.double is not None
    aws.double.passwords.expire()
    destination.preflight()


@pytest.mark.blank
def test_login_by_iam_to_serverless(aws: Warehouse) -> None:
    """GetCredentials of the workgroup."""
    assert aws.double is not None
    name = str(aws.lines["url"]).rpartition("/")[2].partition("?")[0]
    aws.query(f'CREATE ROLE "{aws.double.issuer.serverless_user}" LOGIN')
    aws.query(f'GRANT ALL ON DATABASE {name} TO "{aws.double.issuer.serverless_user}"')
    without_password(aws, auth="iam", workgroup="shop").preflight()
    assert any("GetCredentials" in action for action in aws.double.issuer.asked)


def test_login_by_a_secret(aws: Warehouse) -> None:
    """User and password as Redshift keeps them in Secrets Manager."""
    assert aws.double is not None
    client = aws_client("secretsmanager", s3_server())
    secret = {"username": aws.double.user, "password": aws.double.password}
    arn = client.create_secret(Name=aws.bucket, SecretString=json.dumps(secret))["ARN"]
    without_password(aws, auth="secret", secret_arn=arn).preflight()


def test_a_login_that_aws_refuses(aws: Warehouse) -> None:
    """It says which right is missing, and shows no secret."""
    assert aws.double is not None
    aws.double.issuer.refuse = "AccessDenied"
    destination = without_password(aws, auth="iam", workgroup="shop")
    with pytest.raises(DestinationError, match=r"get credentials.*refused: AccessDenied"):
        destination.preflight()


def test_a_secret_of_another_kind(aws: Warehouse) -> None:
    """JSON without user and password is told as that."""
    client = aws_client("secretsmanager", s3_server())
    arn = client.create_secret(Name=aws.bucket, SecretString="hunter2")["ARN"]
    destination = without_password(aws, auth="secret", secret_arn=arn)
    with pytest.raises(DestinationError, match="is not JSON with username") as told:
        destination.preflight()
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stage": "folder"}, "destination.stage is missing or is not s3://"),
        ({"iam_role": ""}, "destination.iam_role is missing"),
        ({"auth": "iam"}, "needs destination.cluster or destination.workgroup"),
        ({"auth": "secret"}, "needs destination.secret_arn"),
        ({"url": "redshift://user@/dev"}, "names no host"),
        ({"url": "redshift://user@host"}, "names no database"),
        ({"url": "redshift://user@host:x/dev"}, "port is no number"),
        ({"url": "redshift://user@host/dev?ssl=1"}, "'ssl' is not known"),
        ({"url": "redshift://user@host/dev?sslmode=prefer"}, "sslmode is one of"),
        ({"url": "redshift://host/dev", "password": "p"}, "needs a user and a password"),
    ],
)
def test_settings_that_redshift_needs(
    changed: dict[str, Any], said: str, redshift: Warehouse
) -> None:
    """What is missing is named, before anything is connected to."""
    with pytest.raises(SettingsError, match=said):
        redshift.open(**changed).preflight()


def failing(place: Warehouse, **changed: Any) -> str:
    """What a load says that fails; nothing of it is in the tables, and its page waits."""
    with Simulator(SkubanaAssessment(orders=20, per_call=20)) as simulator:
        settings = place.settings(simulator.url)
        assert pull(settings).ok
        result = load(place.settings(simulator.url, **changed))
        assert result.exit_code == 2
        if not changed:
            assert place.query("SELECT count(*) FROM order_header") == [(0,)]
        assert place.double is not None
        place.double.gate = place.double.gate_after = None
        assert load(settings).sources["shop"].counts.inserted == 20
    assert place.staged() == []
    return str(result.error)


def test_a_role_that_is_not_attached(redshift: Warehouse) -> None:
    """Preflight finds it: a COPY of one row is tried."""
    said = failing(redshift, iam_role="arn:aws:iam::123456789012:role/other")
    assert "may not use the role arn:aws:iam::123456789012:role/other" in said
    assert "docs/redshift.md" in said


def test_a_role_that_may_not_read_there(redshift: Warehouse) -> None:
    """It names place, role, and the rights that are missing."""
    said = failing(redshift, stage=f"s3://{redshift.bucket}/elsewhere")
    assert "may not read" in said
    assert "s3:GetObject" in said


def test_a_bucket_that_is_not_there(redshift: Warehouse) -> None:
    """Told before anything is asked of the API."""
    said = failing(redshift, stage="s3://no-such-bucket-here/stage")
    assert "there is no bucket 'no-such-bucket-here'" in said
    assert "destination.stage" in said


def test_a_copy_that_fails_for_reasons_of_its_own(redshift: Warehouse) -> None:
    """Where Redshift has recorded no load error, its own sentence is told."""
    redshift.open().preflight()
    assert redshift.double is not None

    def spoil(statement: str) -> None:
        if statement.startswith("COPY new_order_address"):
            raise WireError("XX000", "Spectrum Scan Error")

    redshift.double.gate = spoil
    assert "refuses: Spectrum Scan Error" in failing(redshift)


def test_a_value_that_the_table_does_not_take(
    redshift: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a limit of ours and the table's disagree, COPY's own complaint is read back."""
    from orderpull.destinations.redshift import session as module

    typed = module._type
    monkeypatch.setattr(module, "_type", lambda c: "VARCHAR(3)" if c.name == "name" else typed(c))
    with Simulator(SkubanaAssessment(orders=20, per_call=20)) as simulator:
        result = run(redshift.settings(simulator.url))
        assert result.exit_code == 1
        names = [order["name"] for order in simulator.truth()["orders"].values() if order["name"]]
    said = str(result.error)
    assert "of new_order_address, column name" in said
    assert "longer than the length" in said
    assert not any(name in said for name in names)


def test_a_part_that_vanishes_fails_the_load(redshift: Warehouse) -> None:
    """Mandatory: a missing file is an error, never fewer rows."""
    assert redshift.double is not None
    client = aws_client("s3", s3_server())

    def remove(statement: str) -> None:
        if statement.startswith("COPY new_order_item"):
            (key,) = [k for k in redshift.staged() if "order_item" in k and "parquet" in k]
            client.delete_object(Bucket=redshift.bucket, Key=key)

    redshift.double.gate = remove
    assert "does not exist" in failing(redshift)


def test_tls_is_verified_unless_told_otherwise() -> None:
    """verify-full needs no word in the URL."""
    assert Address.parse("redshift://user@host/dev").sslmode == "verify-full"
    assert Address.parse("redshift://user@host/dev?sslmode=disable").sslmode == "disable"
