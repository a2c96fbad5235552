"""An API, as its ``.toml`` describes it: how it is asked and how its orders are read.

Built-in files lie in ``sources/apis/``. Errors name file, key and reason.
"""

import difflib
import tomllib
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from pathlib import Path as File

import msgspec
from msgspec import Struct

from orderpull.errors import ApiFileError
from orderpull.sources.spec.blocks import (
    AuthSpec,
    ChildrenSpec,
    CursorSpec,
    ErrorSpec,
    ExportSpec,
    LimitsSpec,
    PagingSpec,
    ReconcileSpec,
    RecordsSpec,
    RequestSpec,
)
from orderpull.sources.spec.hook import Hook, load_hook
from orderpull.sources.spec.order import (
    AddressSpec,
    InvalidExpression,
    LinesSpec,
    ListPath,
    Mapping,
    OrderSpec,
    mapping_of,
)
from orderpull.sources.spec.validation import validate

__all__ = ["AddressSpec", "Api", "LinesSpec", "OrderSpec", "built_in", "parse_api", "read_api"]


class Api(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A kind of orders API: one ``.toml``.

    :param title: its name for people.
    :param consume_once: whether what a call returned is never returned again.
    :param hook: a Python file beside this one, for what data cannot say: see ``hook.py``.
    """

    title: str
    request: RequestSpec
    order: OrderSpec
    consume_once: bool = False
    auth: AuthSpec = AuthSpec()
    paging: PagingSpec = PagingSpec()
    cursor: CursorSpec | None = None
    limits: LimitsSpec = LimitsSpec()
    records: RecordsSpec = RecordsSpec()
    errors: list[ErrorSpec] = []
    children: list[ChildrenSpec] = []
    reconcile: ReconcileSpec | None = None
    export: ExportSpec | None = None
    hook: str | None = None

    @cached_property
    def record_path(self) -> ListPath:
        """Where the orders are in a page."""
        return ListPath.parse(self.records.path)

    @property
    def functions(self) -> Hook:
        """The functions of the hook. :raises ApiFileError: it cannot be loaded."""
        return load_hook(self.hook)

    @cached_property
    def mapping(self) -> Mapping:
        """The parsed ``[order]``."""
        return mapping_of(self.order)


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
