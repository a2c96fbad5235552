"""COPY from Parquet files in S3, as the statement says it.

https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.doubles.redshift.tokens import (
    Token,
    closing,
    names,
    qualified,
    syntax_error,
    unknown_here,
    unsupported,
    words,
)
from tests.doubles.redshift.wire import WireError

_NOT_FOR_PARQUET = names(
    "REGION MAXERROR COMPUPDATE COMPROWS TRUNCATECOLUMNS GZIP LZOP BZIP2 ZSTD BLANKSASNULL "
    "EMPTYASNULL NULL DELIMITER ESCAPE REMOVEQUOTES TRIMBLANKS ROUNDEC DATEFORMAT TIMEFORMAT "
    "ENCODING ACCEPTANYDATE IGNOREHEADER IGNOREBLANKLINES NOLOAD FIXEDWIDTH QUOTE SSH "
    "READRATIO ENCRYPTED"
)
_UNKNOWN = {"FILLRECORD", "ACCEPTINVCHARS", "EXPLICIT_IDS", "JOB"}
_KEYS = {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")


@dataclass(frozen=True)
class CopyStatement:
    """What a COPY asks for."""

    table: str
    """Quoted for PostgreSQL."""
    columns: tuple[str, ...] | None
    bucket: str
    key: str
    """A manifest's key, or the prefix of the files' keys."""
    role: str
    manifest: bool


def read_copy(tokens: Sequence[Token]) -> CopyStatement:
    """The statement in *tokens*.

    :raises WireError: Redshift would not take it.
    """
    said = words(tokens)
    if said[1:2] == ["("]:
        raise unsupported("COPY of a query", "UNLOAD writes to S3.")
    table, at = qualified(tokens, 1)
    columns = None
    if said[at : at + 1] == ["("]:
        end = closing(tokens, at)
        columns = tuple(token.name for token in tokens[at + 1 : end] if token.name)
        at = end + 1
    if said[at : at + 1] == ["TO"]:
        raise unsupported("COPY … TO", "UNLOAD writes to S3.")
    if said[at : at + 1] != ["FROM"] or at + 1 >= len(tokens):
        raise syntax_error(tokens[at].text if at < len(tokens) else "end of input")
    if said[at + 1] in {"STDIN", "PROGRAM"}:
        raise unsupported(f"COPY FROM {said[at + 1]}", "COPY reads from S3.")
    bucket, key = _place(tokens[at + 1])
    role, manifest = _options(tokens[at + 2 :])
    return CopyStatement(table, columns, bucket, key, role, manifest)


def _place(token: Token) -> tuple[str, str]:
    """Bucket and key of the place that FROM names."""
    if token.kind != "string":
        raise syntax_error(token.text)
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{2,})/(.+)", token.value)
    if match is None:
        raise WireError("XX000", f"COPY reads from s3://bucket/key here, not from {token.value}")
    return match[1], match[2]


def _options(tokens: Sequence[Token]) -> tuple[str, bool]:
    """The role, and whether there is a manifest; every other option judged."""
    said = words(tokens)
    role, parquet, manifest = "", False, False
    at = 0
    while at < len(said):
        word = said[at]
        if word == "IAM_ROLE":
            role = _role(tokens[at + 1] if at + 1 < len(tokens) else None)
            at += 2
        elif word == "FORMAT":
            at += 2 if said[at + 1 : at + 2] == ["AS"] else 1
            parquet = said[at : at + 1] == ["PARQUET"]
            at += 1
        elif word == "PARQUET":
            parquet = True
            at += 1
        elif word == "MANIFEST":
            manifest = True
            at += 1
        elif word == "STATUPDATE":
            at += 2 if set(said[at + 1 : at + 2]) & {"ON", "OFF", "TRUE", "FALSE"} else 1
        else:
            raise _refused_option(word, tokens[at].text)
    if not role:
        raise WireError("XX000", "COPY needs credentials.", hint="Name an IAM_ROLE.")
    if not parquet:
        raise unknown_here("COPY of anything but FORMAT AS PARQUET")
    return role, manifest


def _role(token: Token | None) -> str:
    if token is not None and token.word == "DEFAULT":
        return "default"
    if token is None or token.kind != "string":
        raise syntax_error(token.text if token else "end of input")
    if not _ROLE.fullmatch(token.value):
        raise WireError("XX000", f"Invalid IAM_ROLE: {token.value}")
    return token.value


def _refused_option(word: str, near: str) -> WireError:
    if word in _NOT_FOR_PARQUET:
        return WireError("0A000", f"{word} argument is not supported for PARQUET based COPY")
    if word in _KEYS:
        return unknown_here("COPY with keys; give an IAM_ROLE")
    if word in _UNKNOWN:
        return unknown_here(f"COPY with {word}")
    return syntax_error(near)
