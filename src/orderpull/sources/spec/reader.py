"""Read and check an API file: a built-in one from ``sources/apis/`` or a user's own ``.toml``."""

import difflib
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path as File

import msgspec

from orderpull.errors import ApiFileError
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.hook import load_hook
from orderpull.sources.spec.order import InvalidExpression
from orderpull.sources.spec.validation import SpecError, validate


def built_in() -> dict[str, File]:
    """Paths of the built-in API files, by name."""
    folder = resources.files("orderpull.sources") / "apis"
    files = [File(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem)}


def read_api(name: str, folder: File, *, billing_country: bool = False) -> Api:
    """Read the API *name*: the name of a built-in one, or the path of a ``.toml`` below *folder*.

    :param billing_country: an order without a country of delivery has that of its invoice.
    :raises ApiFileError: the API does not exist or is invalid; the message names file, key and
        reason.
    """
    files = built_in()
    file = files.get(name, folder / name)
    if name not in files and not name.endswith(".toml"):
        near = difflib.get_close_matches(name, files, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Built in: {', '.join(files)}."
        raise ApiFileError(f"There is no api {name!r}.", hint)
    try:
        api = parse_api(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ApiFileError(f"The api file {file} cannot be read: {error}.") from None
    if api.hook is not None:
        api = msgspec.structs.replace(api, hook=str(file.parent / api.hook))
        load_hook(api.hook)
    if not billing_country:
        return api
    if api.order.billing_country is None:
        raise ApiFileError(
            f"The setting billing_country needs billing_country in [order] of {file.name}.",
            "Remove the setting, or add the key to a copy of the API file.",
        )
    return api.with_billing_country()


def parse_api(text: str, file: str) -> Api:
    """Parse and validate *text*; *file* is its name in errors.

    :raises ApiFileError: as in :func:`read_api`.
    """
    try:
        api = msgspec.convert(tomllib.loads(text), Api)
    except tomllib.TOMLDecodeError as error:
        raise ApiFileError(f"{file} is not TOML: {error}.") from None
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        key = path.rstrip("`").lstrip(".") or "the file"
        raise ApiFileError(f"{file}: {key}: {message}.", "See docs/apis.md.") from None
    for key, reason in (*_validate_order(api), *validate(api)):
        raise ApiFileError(f"{file}: {key}: {reason}.", "See docs/apis.md.")
    return api


def _validate_order(api: Api) -> Iterator[SpecError]:
    """Errors in the record path and in the expressions of ``[order]``."""
    try:
        _ = api.record_path
    except ValueError as error:
        yield "records.path", str(error)
    try:
        _ = api.mapping
    except InvalidExpression as error:
        yield error.key, str(error)
