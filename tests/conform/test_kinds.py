"""What no built-in file has is tried as well: other ways of paging, signing in and telling time."""

from pathlib import Path

import pytest

from orderpull.conform.cases import CASES
from orderpull.conform.target import MirrorTarget
from tests.conform.files import PLAIN, changed, target

BY_NAME = {case.name: case for case in CASES}
PAGING = PLAIN[PLAIN.index("[paging]") : PLAIN.index("[cursor]")]
CURSOR = PLAIN[PLAIN.index("[cursor]") : PLAIN.index("[limits]")]
AUTH = '[auth]\nkind = "bearer"\n'
MODIFIED = 'modified_at = "changed"'


def token(lines: str, auth: str = AUTH) -> tuple[str, str]:
    """The change that lets the token be got."""
    return AUTH, f"{auth}\n[auth.token]\n{lines}\n"


KINDS = {
    "next": [(PAGING, '[paging]\nkind = "next"\nnext = "links.next"\nsize_param = "limit"\n\n')],
    "link without size": [(PAGING, '[paging]\nkind = "link"\n\n')],
    "cursor alone": [(PAGING, ('[paging]\nkind = "cursor"\nparam = "after"\nnext = "next"\n'
                              'more = "more"\nrepeat = false\n\n'))],
    "cursor with all": [(PAGING, '[paging]\nkind = "cursor"\nparam = "after"\nnext = "next"\n\n')],
    "single": [(PAGING, '[paging]\nkind = "single"\n\n')],
    "no cursor": [(CURSOR, "")],
    "unix": [('precision = "s"', 'precision = "s"\nformat = "unix"'),
             (MODIFIED, MODIFIED + '\ntime_format = "unix"')],
    "milliseconds": [('precision = "s"', 'precision = "ms"\nformat = "unix_ms"'),
                     (MODIFIED, MODIFIED + '\ntime_format = "unix_ms"')],
    "local": [('precision = "s"', ('precision = "s"\nformat = "sql"\ntimezone = "Europe/Berlin"\n'
               'strategy = "window_verify"')),
              (MODIFIED, MODIFIED + '\ntimezone = "Europe/Berlin"')],
    "windows": [('precision = "s"', ('precision = "s"\nwindow = 7\nserver_upper = "upto"\n'
                 'inclusive = false'))],
    "query": [(AUTH, '[auth]\nkind = "query"\nparam = "key"\n')],
    "headers": [(AUTH, '[auth]\nkind = "basic"\nheaders = { X-Shop = "{user}" }\n')],
    "login": [token('grant = "login"\nurl = "/in"\ntoken = "header:X-Token"\nlifetime = 3600\n'
                    'form = { name = "{user}", secret = "{password}" }')],
    "client": [token('grant = "client_credentials"\nurl = "/token"\nclient = "basic"\n'
                     'scope = "orders"')],
    "refresh": [token('grant = "refresh_token"\nurl = "https://id.shop.test/token"',
                      '[auth]\nkind = "header"\nheader = "x-access-token"\n')],
    "by weight": [('quantity = "pieces"', 'quantity = "pieces"\nquantity_unit = "0.01"')],
    "sold lines alone": [('quantity = "pieces"', ('quantity = "pieces"\n'
                          "where = \"not(in(kind, 'discount'))\""))],
}  # fmt: skip
PAGED = ("full pull", "moving shop", "moved up", "ties", "token expires", "last page repeated")
TIMED = ("full pull", "moving shop", "one instant", "ties")
SIGNED = ("full pull", "token expires")
CASES_OF = {
    **dict.fromkeys(("next", "link without size", "cursor alone", "cursor with all"), PAGED),
    **dict.fromkeys(("single", "no cursor", "windows"), PAGED),
    **dict.fromkeys(("unix", "milliseconds", "local"), TIMED),
    **dict.fromkeys(("query", "headers", "login", "client", "refresh"), SIGNED),
    **dict.fromkeys(("by weight", "sold lines alone"), ("full pull",)),
}
"""The cases that what is special about a kind could fail."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_conforms(kind: str, tmp_path: Path) -> None:
    made = target(tmp_path, changed(*KINDS[kind]))
    found = {name: BY_NAME[name].on(made) for name in CASES_OF[kind]}
    assert [each for each in found.values() if each.state == "failed"] == []
    assert found["full pull"].state == "passed"
    if expires := found.get("token expires"):
        assert (expires.state == "passed") == (kind in {"login", "client", "refresh"})


WRAPPED = """
def page(body: bytes) -> bytes:
    return body.removeprefix(b"while(1);")


def unpage(json: bytes) -> bytes:
    return b"while(1);" + json
"""


def hooked(folder: Path, hook: str) -> MirrorTarget:
    """The mirror of a file with this hook."""
    (folder / "shop.py").write_text(hook, encoding="utf-8")
    (folder / "api.toml").write_text(
        changed(('title = "Plain"', 'title = "Plain"\nhook = "shop.py"')), encoding="utf-8"
    )
    return MirrorTarget.of("api.toml", folder)


@pytest.mark.slow
def test_a_hook_of_pages_is_tried_if_it_has_its_inverse(tmp_path: Path) -> None:
    """The mirror's bodies are made by unpage, and read by page."""
    made = hooked(tmp_path, WRAPPED)
    found = [BY_NAME[name].on(made) for name in ("full pull", "incremental", "5xx", "killed")]
    assert [each for each in found if each.state != "passed"] == []


@pytest.mark.parametrize(
    ("inverse", "instead"),
    [("def unpage", "def unused"), ('while(1);" + json', 'x" + json'), ("return b", "1 / 0; b")],
)
def test_a_hook_without_its_inverse_is_not_tried(
    tmp_path: Path, inverse: str, instead: str
) -> None:
    """The reason says what to write."""
    made = hooked(tmp_path, WRAPPED.replace(inverse, instead))
    outcome = BY_NAME["full pull"].on(made)
    assert (outcome.state, outcome.detail) == (
        "not tried", "the hook has page, and no unpage that is its inverse"
    )  # fmt: skip
