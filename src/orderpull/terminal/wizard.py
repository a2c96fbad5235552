"""Questions of ``orderpull init``. Each answer is checked at once, and asked for again if wrong."""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from orderpull.errors import OrderpullError, SettingsError
from orderpull.operate.setup import (
    NewSource,
    SourceOptions,
    api_path_in,
    check_name,
    check_start,
    variables,
    ways_to_sign_in,
)
from orderpull.settings import check_base_url
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import built_in, read_api

Answer = TypeVar("Answer")

_OWN = "another"
_WIDEST = 100


def ask_source(options: SourceOptions, folder: Path) -> NewSource:
    """Ask for what the *options* leave open of a new source.

    :param folder: folder to which the path of an API file is relative.
    """
    api, spec = (options.api, read_api(options.api, folder)) if options.api else _ask_api(folder)
    name = options.source or _ask("Name of this source", check_name, "shop")
    url = options.base_url or _ask_base_url(spec)
    token = {"token": options.token_variable} if options.token_variable else None
    credentials = token or _ask_credentials(name, spec)
    start = options.start
    if not start and spec.cursor is not None:
        _say(spec.setup.start)
        start = _ask("Orders since which day, such as 2026-01-31", check_start)
    return NewSource(name, api, spec, url, credentials, start or None)


def _ask_api(folder: Path) -> tuple[str, Api]:
    apis = {name: read_api(name, folder) for name in built_in()}
    click.echo("Which API has the orders?\n")
    rows = [(name, api.setup.about or api.title) for name, api in apis.items()]
    chosen = _choose(
        [*rows, (_OWN, "one that you describe in a .toml file (docs/apis.md)")], folder
    )
    if chosen != _OWN:
        return chosen, read_api(chosen, folder)
    return _ask("Path of the file", lambda text: _read_own(text, folder))


def _read_own(text: str, folder: Path) -> tuple[str, Api]:
    if not text.endswith(".toml"):
        raise SettingsError("The name of an API file ends with .toml.", "Give its path.")
    return text, read_api(text, folder)


def _choose(rows: Sequence[tuple[str, str]], folder: Path) -> str:
    """Show a numbered menu of names and descriptions; return a name, or the path of a file."""
    names = [name for name, _ in rows]

    def choice(text: str) -> str:
        if text.isascii() and text.isdigit():
            if not 1 <= int(text) <= len(names):
                raise SettingsError(f"There is no {text} in the list.", f"1 to {len(names)}.")
            return names[int(text) - 1]
        if text.lower() in names:
            return text.lower()
        read_api(text, folder)
        return text

    widest = max(map(len, names))
    for number, (name, about) in enumerate(rows, start=1):
        click.echo(f"  {number}  {click.style(f'{name:<{widest}}', bold=True)}  {about}")
    click.echo()
    return _ask("Number or name", choice)


def _ask_base_url(spec: Api) -> str:
    """Ask for the base URL; offer the same without a path that the API file adds."""
    example = spec.setup.base_url or ""
    default = example if example == example.lower() else ""
    if not default:
        _say(f"Give the shop's address like {example or 'https://YOUR-SHOP.com'}")
    while True:
        url = _ask("Address of the shop", str, default)
        if example and url == example != default:
            _complain(SettingsError("That is the example.", "Give the address of your own shop."))
            continue
        try:
            check_base_url(url)
        except SettingsError as error:
            _complain(error)
            default = f"https://{url}" if "://" not in url and "." in url else default
            continue
        shorter = api_path_in(url, spec)
        if shorter is None:
            return url
        click.echo(f"  orderpull itself adds {spec.request.path} to the address.")
        if click.confirm(f"  Take {shorter} instead?", default=True):
            return shorter
        return url


def _ask_credentials(name: str, spec: Api) -> dict[str, str]:
    """Ask for the way to sign in, if there are several; return the variables that it needs."""
    ways = ways_to_sign_in(spec.auth)
    _say(spec.setup.credentials)
    if len(ways) == 1:
        return variables(name, ways[0])
    click.echo("\nHow does orderpull sign in?\n")
    for number, way in enumerate(ways, start=1):
        click.echo(f"  {number}  {' and '.join(way) if way else 'not at all'}")
    click.echo()

    def choice(text: str) -> tuple[str, ...]:
        if text not in map(str, range(1, len(ways) + 1)):
            raise SettingsError(f"There is no {text!r} in the list.", f"1 to {len(ways)}.")
        return ways[int(text) - 1]

    return variables(name, _ask("Number", choice, "1"))


def _ask(question: str, check: Callable[[str], Answer], default: str = "") -> Answer:
    """Ask until *check* accepts the answer, and return what it returns."""
    while True:
        text = click.prompt(question, default=default, show_default=bool(default)).strip()
        if not text:
            continue
        try:
            return check(text)
        except OrderpullError as error:
            _complain(error)


def _complain(error: OrderpullError) -> None:
    click.secho(f"  {error.message}", fg="red")
    if error.hint:
        click.echo(f"  → {error.hint}")


def _say(text: str | None) -> None:
    """Print a note before a question, wrapped to the terminal; nothing without *text*."""
    if text:
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        click.echo("\n" + textwrap.fill(text, width))
