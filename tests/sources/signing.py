"""Ways of signing in, each as an api file and settings say it, to the simulator's platform."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from orderpull.simulator.shop import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    REFRESH_TOKEN,
    TOKEN,
    USER,
)
from orderpull.simulator.shop.auth import Auth
from tests import processes
from tests.shops import GENERIC_ORDER
from tests.sources.shop import SourceShop

API = (
    """
title = "Whoever signs in"
{auth}
[request]
path = "/orders"
[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 20
[cursor]
path = "modified_at"
lower = "modified_from"
upper = "modified_to"
precision = "s"
overlap = 0
[records]
path = "orders"
"""
    + GENERIC_ORDER
)

ENVIRONMENT = {
    "SHOP_TOKEN": TOKEN,
    "SHOP_PAIR": f"{USER}:{PASSWORD}",
    "SHOP_USER": USER,
    "SHOP_PASSWORD": PASSWORD,
    "SHOP_CLIENT": CLIENT_ID,
    "SHOP_SECRET": CLIENT_SECRET,
    "SHOP_REFRESH": REFRESH_TOKEN,
}
"""What the settings name, by the names that they have there."""


@dataclass(frozen=True)
class Way:
    """One way of signing in. :param auth: what the platform calls it."""

    auth: Auth
    api: str = ""
    settings: str = ""
    got: bool = False

    def shop(self, folder: Path, url: str, more: str = "") -> SourceShop:
        """A folder with settings and api file."""
        (folder / "api.toml").write_text(API.replace("{auth}", self.api), encoding="utf-8")
        own = f'start = "2020-01-01"\n{self.settings}\n{more}\n'
        return SourceShop.at(folder, url, own, api="api.toml")


_TOKEN = 'token = "${SHOP_TOKEN}"'
_CLIENT = 'client_id = "${SHOP_CLIENT}"\nclient_secret = "${SHOP_SECRET}"'
_USER = 'user = "${SHOP_USER}"\npassword = "${SHOP_PASSWORD}"'
_BEARER = '[auth]\nkind = "bearer"\n'
_FROM = '[auth.token]\ngrant = "{}"\nurl = "{}"\n'
REFRESH = Way(
    "oauth2-refresh",
    _BEARER + _FROM.format("refresh_token", "/oauth/token") + 'client = "basic"',
    _CLIENT + '\nrefresh_token = "${SHOP_REFRESH}"',
    got=True,
)
WAYS = {
    "none": Way("none"),
    "bearer": Way("bearer", _BEARER, _TOKEN),
    "headers": Way(
        "headers",
        '[auth]\nkind = "header"\nheader = "X-Key"\n[auth.headers]\nX-Shop = "{user}"',
        _TOKEN + '\nuser = "shop-1"',
    ),
    "basic": Way("basic", '[auth]\nkind = "basic"', 'token = "${SHOP_PAIR}"'),
    "query": Way("query", '[auth]\nkind = "query"\nparam = "api_key"', _TOKEN),
    "client in the form": Way(
        "oauth2-client",
        _BEARER + _FROM.format("client_credentials", "/oauth/token"),
        _CLIENT,
        got=True,
    ),
    "client as basic": Way(
        "oauth2-client",
        _BEARER + _FROM.format("client_credentials", "/oauth/token") + 'client = "basic"',
        _CLIENT,
        got=True,
    ),
    "refresh": REFRESH,
    "login, token in the body": Way(
        "login-body",
        _BEARER
        + _FROM.format("login", "/login")
        + 'token = "token"\nbody = { username = "{user}", password = "{password}" }',
        _USER,
        got=True,
    ),
    "login, token in a header": Way(
        "login-header",
        _BEARER
        + _FROM.format("login", "/login")
        + 'token = "header:X-Auth-Token"\nform = { username = "{user}", password = "{password}" }',
        _USER,
        got=True,
    ),
}
"""Each way by its name."""


def shapes(secret: str) -> set[bytes]:
    """How *secret* may look: plain, in a URL, and in base64, whatever stands around it."""
    found = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret.encode()).decode()
        inside = text[(before * 8 + 5) // 6 : len(text.rstrip("=")) - 1]
        found |= {inside, inside.translate(str.maketrans("+/", "-_"))}
    return {form.encode() for form in found}


def orderpull(
    folder: Path, *arguments: str, program: str = "", kill_at: str = ""
) -> tuple[int, bytes]:
    """Run the program, until SIGKILL at the fail point *kill_at*; return its code and outputs."""
    words = (program,) if program else ("-m", "orderpull")
    started = processes.start(
        *words, *arguments, cwd=folder, env={**os.environ, **ENVIRONMENT}, kill_at=kill_at
    )
    output, errors = started.communicate(timeout=120)
    assert b"Traceback" not in errors, errors
    return started.wait(), output + errors
