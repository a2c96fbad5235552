"""What somebody may try who should not be let in, or should not be let do: all of it refused.

Clients that keep connections open and say nothing (slow loris) are left to uvicorn, which waits for
them, and beyond ``MAX_CONNECTIONS`` answers 503 to everybody. A proxy in front has time limits.
"""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from orderpull import Settings, clock
from orderpull.web import cache
from orderpull.web.auth import COOKIE, SECURE_COOKIE
from orderpull.web.login_throttle import FREE_ATTEMPTS
from tests.web.raw_client import (
    BEARER,
    HOST,
    PASSWORD,
    TOKEN,
    Answer,
    ask,
    locked,
    quick_hash,
    send,
    sign_in,
    signed_in,
)
from tests.web.shop import Order, fill, finished_run, rows_of, serving, settings_in

SKU = "SKU-of-ours"
"""Stands in the warehouse: an answer that holds it was given to somebody."""

FORM = "Content-Type: application/x-www-form-urlencoded"
OPEN = ("/sign-in", "/healthz", "/readyz", "/static/orderpull.css")
PAGES = ("/", "/skus", f"/orders?sku={SKU}", "/runs", "/csv/skus", "/csv/orders", "/metrics")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse with one SKU and one secret name."""
    settings = settings_in(tmp_path_factory.mktemp("held"))
    orders = [Order(str(n), items={SKU: 1}, placed=clock.now()) for n in range(3)]
    fill(settings, rows_of(orders, [finished_run()]))
    return settings


@pytest.fixture(scope="module")
def site(held: Settings) -> Iterator[str]:
    """Its pages, behind a password and a token."""
    with serving(locked(held)) as url:
        yield url


@pytest.fixture(scope="module")
def proxied(held: Settings) -> Iterator[str]:
    """Its pages behind a proxy at 127.0.0.1, which signs people in."""
    web = {"trusted_proxy": ["127.0.0.1"], "proxy_header": "X-Forwarded-User"}
    with serving(locked(held, **web)) as url:
        yield url


@pytest.fixture(scope="module")
def elsewhere(held: Settings) -> Iterator[str]:
    """The same, where the proxy is another machine: nothing that comes from here is its word."""
    web = {"trusted_proxy": ["192.0.2.7"], "proxy_header": "X-Forwarded-User"}
    with serving(locked(held, **web)) as url:
        yield url


def refused(answer: Answer) -> None:
    """Nothing of the warehouse was given away, and nobody was let in."""
    assert answer.status in {0, 303, 400, 401, 403, 404, 405, 413, 414, 415, 421, 429, 431}
    assert SKU not in answer.text
    assert "set-cookie" not in answer.headers
    if answer.status == 303:
        assert answer.location.startswith("/sign-in")


@pytest.mark.slow
def test_who_signs_in_sees_it(site: str, proxied: str) -> None:
    """What the rest of this file refuses is there, so that it could be seen."""
    for way in (BEARER, signed_in(site)):
        assert SKU in ask(site, "/", way).text
        assert SKU in ask(site, "/csv/skus", way).text
    assert SKU in ask(proxied, "/", "X-Forwarded-User: ada").text
    assert SKU in ask(site, "/", BEARER, f"Host: {HOST}").text


WAYS_AROUND = [
    *PAGES,
    "//", "/./", "/../", "/%2e%2e/", "/;/", "/?", "/\\", "/%00", "/SKUS", "/skus/", "/index.html",
    "/static/../", "/static/../skus", "/static/%2e%2e/skus", "/static/..%2fskus", "/static/..%5cskus",
    "/sign-in/../skus", "/sign-in%2f..%2fskus", "/sign-in/", "/healthz/../skus", "/healthz/", "//skus",
    "/static/..;/skus", f"http://127.0.0.1/orders?sku={SKU}", "/sign-in?next=/skus", "/metrics/",
    "/api/totals", "/api/openapi.json", "/api/", "/api/../skus",
]  # fmt: skip


@pytest.mark.parametrize("target", WAYS_AROUND)
def test_nobody_gets_around_the_sign_in(site: str, target: str) -> None:
    answer = ask(site, target)
    if target.startswith("/sign-in?"):
        assert answer.status == 200
        assert SKU not in answer.text
    else:
        refused(answer)


FILES = [
    "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/..%5capp.py",
    "/static/....//app.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/%00",
    "/static/orderpull.css%00.js", "/static/", "/static/.", "/static/" + "a/" * 4000, "/static/~root",
    "/csv/../app.py", "/csv/..%2f..%2forders.duckdb", "/csv/%2e%2e%2forderpull.toml", "/csv/skus%00",
    "/csv/skus.csv", "/csv/order_address", "/csv/", "/api/..%2f..%2forderpull.toml", "/api/%00",
]  # fmt: skip


@pytest.mark.parametrize("target", FILES)
def test_no_file_is_read_but_ours(site: str, target: str) -> None:
    answer = ask(site, target, BEARER)
    assert answer.status in {400, 404, 414, 431}
    for text in ("import ", "root:", "[sources"):
        assert text not in answer.text


TOKENS = [
    "Authorization: Bearer", "Authorization: Bearer ", f"Authorization: Basic {TOKEN}",
    f"Authorization: Bearer {TOKEN}x", f"Authorization: Bearer {TOKEN[:-1]}",
    f"Authorization: Bearer {TOKEN.upper()}", f"Authorization: {TOKEN}", f"Cookie: token={TOKEN}",
    "Authorization: Bearer \xff\xfe", f"{BEARER}\r\n{BEARER}", f"X-Authorization: Bearer {TOKEN}",
    f"Authorization: Bearer {PASSWORD}", f"Cookie: {COOKIE}={TOKEN}",
]  # fmt: skip


@pytest.mark.parametrize("header", TOKENS)
def test_only_the_token_itself_lets_in(site: str, header: str) -> None:
    refused(ask(site, "/", header))
    answer = ask(site, "/metrics", header)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


def test_a_session_is_of_one_browser_one_process_one_password(
    site: str, held: Settings, tmp_path: Path
) -> None:
    """Changed, cut, sent twice, after signing out, after a new password: it holds no more."""
    cookie = signed_in(site)
    name, _, session = cookie.partition("=")
    until, chance, mac = session.split(".")
    for forged in (
        f"{int(until) + 3600}.{chance}.{mac}", f"{until}.{chance}", f"{until}.{chance}.", session[:-1],
        f"{until}.{chance[::-1]}.{mac}", "0.0.0", "..", "", '"', "%00", "x" * 8000,
    ):  # fmt: skip
        refused(ask(site, "/", f"{name}={forged}"))
    refused(ask(site, "/", f"Cookie: {SECURE_COOKIE}={session}"))
    refused(ask(site, "/", cookie, "Cookie: other=1"))
    other = locked(held, password_hash=quick_hash("another password"))
    with serving(other) as changed:
        refused(ask(changed, "/", cookie))
    assert ask(site, "/", cookie).status == 200
    left = ask(site, "/sign-out", cookie, f"Origin: {site}", method="POST")
    assert (left.status, left.location) == (303, "/sign-in")
    assert "Max-Age=0" in left.headers["set-cookie"]
    refused(ask(site, "/", cookie))


def test_the_cookie_is_for_this_host_and_no_script(site: str, proxied: str) -> None:
    plain = sign_in(site).headers["set-cookie"]
    assert plain.startswith(f"{COOKIE}=")
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"):
        assert part in plain
    assert "Secure" not in plain
    assert "Domain" not in plain
    by_https = sign_in(proxied, PASSWORD, "X-Forwarded-Proto: https").headers["set-cookie"]
    assert by_https.startswith(f"{SECURE_COOKIE}=")
    assert "Secure" in by_https
    assert "Domain" not in by_https
    # What anybody says, and what is said twice, is no https.
    assert "Secure" not in sign_in(site, PASSWORD, "X-Forwarded-Proto: https").headers["set-cookie"]
    twice = ("X-Forwarded-Proto: https", "X-Forwarded-Proto: https")
    assert "Secure" not in sign_in(proxied, PASSWORD, *twice).headers["set-cookie"]


FORGED = [
    ["X-Forwarded-User: ada"],
    ["X-Forwarded-User: ada", "X-Forwarded-For: 192.0.2.7"],
    ["X-Forwarded-User: ada", "X-Forwarded-For: 192.0.2.7, 127.0.0.1", "X-Real-IP: 192.0.2.7"],
    ["X-Forwarded-User: ada", "Forwarded: for=192.0.2.7"],
    ["X-Forwarded-User: ada", "X-Forwarded-Proto: https", "X-Forwarded-Host: 192.0.2.7"],
]
MUDDLED = [
    ["X-Forwarded-User: ada", "X-Forwarded-User: eve"],
    ["X-Forwarded-User: ada", "x-forwarded-user: ada"],
    ["X-Forwarded-User: ada, eve"],
    ["X-Forwarded-User:"],
    ["X-Forwarded-User:   "],
    ["X_Forwarded_User: ada"],
    ["X-Forwarded-Users: ada"],
    ["Remote-User: ada"],
    ["X-Forwarded-User: " + "a" * 201],
    ["X-Forwarded-User: a\x9bda"],
]


@pytest.mark.parametrize("headers", FORGED)
def test_only_the_proxy_itself_says_who_is_signed_in(elsewhere: str, headers: list[str]) -> None:
    """Whoever is not the proxy may send its headers, and is nobody."""
    refused(ask(elsewhere, "/", *headers))
    assert ask(elsewhere, "/metrics", *headers).status == 401


@pytest.mark.parametrize("headers", MUDDLED)
def test_a_proxy_that_names_two_or_none_names_nobody(proxied: str, headers: list[str]) -> None:
    refused(ask(proxied, "/", *headers))


def test_without_a_header_named_a_proxy_signs_nobody_in(held: Settings) -> None:
    """A proxy that only brings https passes on whatever header a client makes up."""
    with serving(locked(held, trusted_proxy=["127.0.0.1"])) as site:
        refused(ask(site, "/", "X-Forwarded-User: ada"))


def test_the_name_that_a_proxy_gives_is_a_text(proxied: str) -> None:
    said = ask(proxied, "/", 'X-Forwarded-User: <script>alert("ada")</script>').text
    assert "&lt;script&gt;alert" in said
    assert "<script>alert" not in said


HOSTS = [
    "Host: evil.example", "Host: 127.0.0.1.evil.example", "Host: localhost.evil.example", "Host:",
    f"Host: {HOST}.evil.example", f"Host: evil.example#{HOST}", "Host: user@evil.example",
    "Host: [::1", "Host: 192.0.2.1", "Host: 2130706433.evil.example", f"Host: {HOST},evil.example",
    f"Host: {HOST}\r\nHost: evil.example", "Host: evil.example\r\nX-Forwarded-Host: 127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_no_other_name_leads_here(site: str, host: str) -> None:
    """DNS rebinding: a page elsewhere has its own name lead to this machine."""
    for way in (BEARER, signed_in(site)):
        answer = ask(site, "/", way, host)
        refused(answer)
        assert answer.status in {400, 421}


def test_no_other_page_sends_our_forms(site: str) -> None:
    """Cross-site requests: what browsers say of where a form stood must be here."""
    cookie = signed_in(site)
    here, port = site.removeprefix("http://"), site.rpartition(":")[2]
    forged = [
        [], ["Origin: null"], ["Origin: https://evil.example"], ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"], ["Sec-Fetch-Site: none"], ["Referer: " + site],
        ["Origin: https://evil.example", "Sec-Fetch-Site: same-origin"],
        [f"Origin: {site}", "Sec-Fetch-Site: cross-site"], [f"Origin: http://{here}.evil.example"],
        [f"Origin: http://localhost:{port}"], ["Origin: http://127.0.0.1:1"], [f"Origin: {here}"],
        [f"Origin: {site}", "Origin: https://evil.example"],
    ]  # fmt: skip
    body = f"password={quote(PASSWORD)}".encode()
    for headers in forged:
        answer = ask(site, "/sign-in", FORM, *headers, method="POST", body=body)
        assert (answer.status, answer.session) == (403, ""), headers
        assert ask(site, "/sign-out", cookie, *headers, method="POST").status == 403
    assert ask(site, "/", cookie).status == 200


LEADS = [
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
    "/\t/evil.example", "/\n/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example",
    "//127.0.0.1@evil.example", "", " //evil.example", "/sign-in?next=/", "/sign-out", "http:evil.example",
    "/\r\nSet-Cookie: a=b", "/\x00", "/%5c%5cevil.example\\",
]  # fmt: skip


@pytest.mark.parametrize("lead", LEADS)
def test_signing_in_leads_nowhere_else(site: str, lead: str) -> None:
    """No open redirect, and no header made of what is asked for."""
    answer = sign_in(site, next_=lead)
    assert (answer.status, answer.location) == (303, "/")
    assert "a=b" not in str(answer.headers)
    again = ask(site, f"/sign-in?next={quote(lead, safe='')}", signed_in(site))
    assert (again.status, again.location) == (303, "/")


def test_signing_in_leads_to_the_page_that_was_asked_for(site: str) -> None:
    page = "/orders?country=DE&sku=a%26b%20%C3%A9%23"
    asked = ask(site, page)
    assert asked.location == "/sign-in?next=" + quote(page, safe="")
    form = ask(site, asked.location).text
    assert f'value="{page.replace("%20", " ")}"'.replace("&", "&amp;").replace(" ", "%20") in form
    assert sign_in(site, next_=page).location == page
    by_htmx = ask(site, page, "HX-Request: true")
    assert by_htmx.status == 401
    assert by_htmx.headers["hx-redirect"] == asked.location


def test_who_guesses_the_password_waits(proxied: str) -> None:
    """Also many at a time, also with the right one at last; others are let in meanwhile."""
    forwarded = "X-Forwarded-For: 198.51.100.1"
    found: list[int] = []

    def guess(n: int) -> None:
        found.append(sign_in(proxied, f"guess {n}", forwarded).status)

    guessing = [threading.Thread(target=guess, args=(n,)) for n in range(12)]
    for thread in guessing:
        thread.start()
    for thread in guessing:
        thread.join()
    assert sorted(found) == [401] * FREE_ATTEMPTS + [429] * (12 - FREE_ATTEMPTS)
    answer = sign_in(proxied, PASSWORD, forwarded)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "Wait " in answer.text
    forged = "X-Forwarded-For: 203.0.113.9, 198.51.100.1"
    assert sign_in(proxied, PASSWORD, forged).status == 429
    assert sign_in(proxied, PASSWORD, "X-Forwarded-For: 198.51.100.2").status == 303
    counts = ask(proxied, "/metrics", BEARER).text
    assert f'orderpull_sign_ins_total{{went="wrong"}} {FREE_ATTEMPTS}.0' in counts


BODIES: dict[str, tuple[list[str], bytes]] = {
    "no form": (["Content-Type: application/json"], b'{"password": "x"}'),
    "with files": (["Content-Type: multipart/form-data; boundary=x"], b"--x--"),
    "too long": ([FORM], b"password=" + b"x" * 40_000),
    "a long password": ([FORM], b"password=" + b"x" * 1025),
    "many fields": ([FORM], b"&".join(b"a%d=1" % n for n in range(1000))),
    "no text": ([FORM], b"password=\xff\xfe"),
    "nothing": ([FORM, "Content-Length: 0"], b""),
    "odd characters": ([FORM], b"password=%00%0d%0a%ff%ed%a0%80"),
    "twice": ([FORM], b"password=a&password=b"),
}


@pytest.mark.parametrize("body", BODIES)
def test_what_is_no_form_of_ours_is_not_read(held: Settings, body: str) -> None:
    headers, data = BODIES[body]
    with serving(locked(held)) as site:
        answer = ask(site, "/sign-in", f"Origin: {site}", *headers, method="POST", body=data)
        refused(answer)
        assert answer.status in {401, 413}
        assert ask(site, "/healthz").status == 200


METHODS = [
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "FOO",
]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_done_but_read(site: str, method: str) -> None:
    for path in ("/", "/csv/skus", "/metrics", "/static/orderpull.css"):
        answer = ask(site, path, BEARER, f"Origin: {site}", method=method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"
        assert "access-control-allow-origin" not in answer.headers
    tricks = ("X-HTTP-Method-Override: POST", "X-Method-Override: DELETE")
    assert ask(site, "/sign-out", BEARER, *tricks).location == "/"
    assert ask(site, "/?_method=POST", BEARER, *tricks).status == 200


LARGE: dict[str, Callable[[str], Answer]] = {
    "address": lambda site: ask(site, "/?q=" + "x" * 20_000, BEARER),
    "many parameters": lambda site: ask(site, "/?" + "&".join(f"country={n}" for n in range(900)), BEARER),
    "header": lambda site: ask(site, "/", BEARER, "X-Long: " + "x" * 200_000),
    "many headers": lambda site: ask(site, "/", BEARER, *(f"X-{n}: {n}" for n in range(9000))),
    "cookie": lambda site: ask(site, "/", "Cookie: " + "; ".join(f"c{n}={n}" for n in range(2000))),
    "first line": lambda site: send(site, b"GET /" + b"x" * 200_000),
    "line ends": lambda site: send(site, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\nb\r\n\r\n"),
    "null": lambda site: send(site, b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    "no http": lambda site: send(site, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "two lengths": lambda site: ask(site, "/sign-in", "Content-Length: 5", "Content-Length: 6", method="POST", body=b"hello"),
    "length and chunks": lambda site: ask(site, "/sign-in", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("what", LARGE)
def test_what_is_too_much_or_malformed_is_refused(site: str, what: str) -> None:
    refused(LARGE[what](site))
    assert ask(site, "/healthz").text == "ok\n"


def test_a_body_that_nobody_asked_for_is_not_kept(site: str) -> None:
    """A GET with a body of a gigabyte to come is answered at once."""
    assert ask(site, "/healthz", "Content-Length: 1000000000", body=b"x" * 100_000).status == 200


PARAMETERS = (
    "country", "source", "period", "since", "until", "top", "q", "sku", "by", "show", "every", "page",
    "theme", "was", "next", "name", "__proto__",
)  # fmt: skip
PAYLOADS = (
    "' OR '1'='1'; DROP TABLE order_item; --", '" UNION SELECT name FROM order_address; -- $$ %',
    "\\'; ATTACH '/etc/passwd'; --", "'\"><script>alert(1)</script><img src=x onerror=alert(1)>",
    "' onfocus=alert(1) autofocus={{ 7 * 191 }}${7*191}{% for x in y %}", "../../etc/passwd", "\x00",
    "\r\nSet-Cookie: a=b", "\u202e\u2066\ufeff", "-1", "1e9", "٣",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_what_is_typed_is_data(held: Settings, site: str, parameter: str) -> None:
    """In every parameter of every page and file: no fault, no markup, no other rows, no header."""
    before = ask(site, "/csv/totals", BEARER).text
    for payload in PAYLOADS:
        query = f"?{quote(parameter)}={quote(payload)}"
        others = "" if parameter == "sku" else f"&sku={SKU}"
        for target in (
            "/",
            "/skus",
            "/orders" + query + others,
            "/runs",
            "/csv/skus",
            "/csv/orders",
        ):
            answer = ask(site, target if "?" in target else target + query, BEARER)
            assert answer.status in {200, 303, 400}, (target, payload)
            for sign in ("<script>a", "<img", "' onfocus", "1337", "Ada Secret"):
                assert sign not in answer.text, (target, payload)
            assert "a=b" not in str(answer.headers)
            assert "root:" not in answer.text
    assert ask(site, "/csv/totals", BEARER).text == before


def test_nothing_secret_is_told(site: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither password nor token nor session, in no page, figure or log line."""
    sign_in(site, "a wrong password")
    cookie = signed_in(site)
    session = cookie.partition("=")[2]
    told = "".join(ask(site, path, cookie).text for path in (*PAGES, *OPEN, "/nowhere"))
    told += "".join(capfd.readouterr())
    for secret in (PASSWORD, "a wrong password", TOKEN, session, "scrypt", "Ada Secret"):
        assert secret not in told


def test_who_is_not_signed_in_is_told_nothing_of_the_data(held: Settings, tmp_path: Path) -> None:
    """The open addresses say the same with data and without, and name no file."""
    with serving(locked(settings_in(tmp_path))) as empty, serving(locked(held)) as full:
        assert ask(empty, "/healthz").text == ask(full, "/healthz").text == "ok\n"
        assert ask(full, "/readyz").status == 200
        not_yet = ask(empty, "/readyz")
        assert not_yet.status == 503
        assert json.loads(not_yet.text)["error"] == "The warehouse cannot be read."
        assert str(tmp_path) not in not_yet.text
        assert str(tmp_path) in ask(empty, "/readyz", BEARER).text


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 192.0.2.1", "Via: 1.1 x", "Forwarded: for=x", "X-Real-IP: x"]
)
def test_without_a_sign_in_a_proxy_shows_nothing_to_the_world(held: Settings, header: str) -> None:
    """To this process its requests come from this machine."""
    with serving(held) as site:
        assert SKU in ask(site, "/").text
        answer = ask(site, "/", header)
        refused(answer)
        assert "came through a proxy" in answer.text
        assert ask(site, "/api/totals", header).status == 403


def test_a_fault_of_ours_tells_nothing_and_is_guarded(
    held: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Ada Secret")

    monkeypatch.setattr(cache, "read_freshness", fail)
    with serving(held) as site:
        for path in ("/", "/api/standing"):
            answer = ask(site, path)
            assert answer.status == 500
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")
            assert "Secret" not in answer.text
            assert "The page failed." in answer.text


def test_nothing_of_it_is_kept_by_others(site: str) -> None:
    """No cache keeps a page, and no page of others reads or frames one."""
    for path in (*PAGES, "/sign-in", "/nowhere"):
        headers = ask(site, path, BEARER).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
