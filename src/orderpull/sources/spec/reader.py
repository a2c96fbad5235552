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
from orderpull.sources.spec.validation import validate


def built_in() -> dict[str, File]:
    """The built-in API files by name."""
    folder = resources.files("orderpull.sources") / "apis"
    files = [File(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {file.stem: file for file in sorted(files)}


def read_api(name: str, folder: File) -> Api:
    """The API called *name*: a built-in one, or the path (from *folder*) of a ``.toml``.

    :raises ApiFileError: there is none, or it is wrong; the message names file, key and reason.
    """
    known = built_in()
    file = known.get(name, folder / name)
    if name not in known and not name.endswith(".toml"):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Built in: {', '.join(known)}."
        raise ApiFileError(f"There is no api {name!r}.", hint)
    try:
        api = parse_api(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ApiFileError(f"The api file {file} cannot be read: {error}.") from None
    if api.hook is not None:
        api = msgspec.structs.replace(api, hook=str(file.parent / api.hook))
        load_hook(api.hook)
    return api


def parse_api(text: str, where: str) -> Api:
    """The API that *text* describes; *where* names it in errors, as in :func:`read_api`."""
    try:
        api = msgspec.convert(tomllib.loads(text), Api)
    except tomllib.TOMLDecodeError as error:
        raise ApiFileError(f"{where} is not TOML: {error}.") from None
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        key = place.rstrip("`").lstrip(".") or "the file"
        raise ApiFileError(f"{where}: {key}: {message}.", "See docs/apis.md.") from None
    for key, problem in (*_misread(api), *validate(api)):
        raise ApiFileError(f"{where}: {key}: {problem}.", "See docs/apis.md.")
    return api


def _misread(api: Api) -> Iterator[tuple[str, str]]:
    """Paths and expressions of the orders that say nothing: key and reason."""
    try:
        _ = api.record_path
    except ValueError as error:
        yield "records.path", str(error)
    try:
        _ = api.mapping
    except InvalidExpression as error:
        yield error.key, str(error)
