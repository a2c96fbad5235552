"""Python functions beside an API's ``.toml``, for APIs that the blocks cannot describe.

``hook = "my_shop.py"`` names a file beside the API file. These functions are called, if present::

    def sign(request: orderpull.Request, secrets: dict[str, str]) -> orderpull.Request: ...
    def page(body: bytes) -> bytes: ...

``sign`` receives each request ready to send, and the source's secrets by setting name; it returns
the request to send. ``page`` converts a response body, such as XML, to JSON. The landing keeps the
original body and replays it, so ``page`` must always return the same result for the same body.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orderpull.errors import ApiFileError
from orderpull.sources.http.messages import Request


@dataclass(frozen=True, slots=True)
class Hook:
    """The functions of a hook."""

    sign: Callable[[Request, dict[str, str]], Request] | None = None
    page: Callable[[bytes], bytes] | None = None


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
    except Exception as error:
        raise ApiFileError(
            f"The hook {path.name} cannot be loaded: {type(error).__name__}: {error}."
        ) from error
    hook = Hook(getattr(module, "sign", None), getattr(module, "page", None))
    if hook.sign is None and hook.page is None:
        raise ApiFileError(f"The hook {path.name} has neither sign nor page.", "See docs/apis.md.")
    return hook
