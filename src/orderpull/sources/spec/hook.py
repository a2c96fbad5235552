"""Python functions beside an API's ``.toml``, for APIs that the blocks cannot describe.

``hook = "my_shop.py"`` names a file beside the API file. These functions are called, if present::

    def sign(request: orderpull.Request, secrets: dict[str, str]) -> orderpull.Request: ...
    def page(body: bytes) -> bytes: ...
    def unpage(json: bytes) -> bytes: ...

``sign`` receives each request ready to send, and the source's secrets by setting name; it returns
the request to send. ``page`` converts a response body, such as XML, to JSON. The landing keeps the
original body and replays it, so ``page`` must always return the same result for the same body.
``unpage`` is the inverse of ``page``; only ``orderpull conform`` calls it.
"""

import importlib.util
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from orderpull.errors import ApiFileError, HookFailed
from orderpull.sources.http.messages import Request


@dataclass(frozen=True, slots=True)
class Hook:
    """The functions of a hook. They raise :class:`HookFailed`."""

    sign: Callable[[Request, dict[str, str]], Request] | None = None
    page: Callable[[bytes], bytes] | None = None
    unpage: Callable[[bytes], bytes] | None = None


@cache
def load_hook(file: str | None) -> Hook:
    """Load the functions of *file*; without a file the hook is empty.

    :raises ApiFileError: the file cannot be loaded, or has neither function.
    """
    if file is None:
        return Hook()
    path = Path(file)
    spec = importlib.util.spec_from_file_location(f"orderpull_hook_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ApiFileError(f"There is no hook {path}.", "It is a .py beside the api file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        fault = f"{type(error).__name__}: {error}"
        if not isinstance(error, SyntaxError):  # which tells its place itself
            fault += f" ({path.name}, line {_line(error, path)})"
        raise ApiFileError(f"The hook {path.name} cannot be loaded: {fault}.") from error
    functions = {"sign": Request, "page": bytes, "unpage": bytes}
    hook = Hook(*(_checked(module, name, kind) for name, kind in functions.items()))
    if hook.sign is None and hook.page is None:
        raise ApiFileError(f"The hook {path.name} has neither sign nor page.", "See docs/apis.md.")
    return hook


def _checked(module: ModuleType, name: str, result_type: type) -> Callable[..., Any] | None:
    """The function *name* of *module*, as one that raises :class:`HookFailed`.

    :raises ApiFileError: *name* is not a function.
    """
    function, path = getattr(module, name, None), Path(str(module.__file__))
    if function is None:
        return None
    if not callable(function):
        kind = type(function).__name__
        raise ApiFileError(f"The hook {path.name}: {name} is {kind}, not a function.")
    code = getattr(inspect.unwrap(function), "__code__", None)
    first = code.co_firstlineno if code and code.co_filename == str(path) else 0

    def checked(*arguments: object) -> object:
        try:
            result = function(*arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function
            # The error's text may hold a secret or a name.
            fault, line = f"failed: {type(error).__name__}", _line(error, path) or first
        else:
            if isinstance(result, result_type):
                return result
            kind, wanted = type(result).__name__, result_type.__name__
            fault, line = f"returned {kind}, not {wanted}", first
        raise HookFailed(
            f"The hook's {name} {fault} ({path.name}{f', line {line}' if line else ''}).",
            f"Mend {path.name}; what is landed is read again by replay.",
        )

    return checked


def _line(error: BaseException, path: Path) -> int:
    """Line of the file *path* at which *error* arose; 0 if it arose elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((each.lineno or 0 for each in reversed(frames) if each.filename == str(path)), 0)
