"""Pages as they are served: named by what they hold, light, and free of anything inline."""

import gzip
import re
from collections.abc import Mapping

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.dashboard import assets
from gateway.dashboard.pages import POLICY, Pages

SCRIPT_BYTES_MAX = 40_000
SCRIPTS = {"account": "views/account.js", "operator": "operator/operator.js"}
PAGES = Pages("account")
LOADED = assets.load("/dashboard")


def ask(path: str, headers: Mapping[str, str] | None = None):
    return PAGES.answer(make_mocked_request("GET", path, headers=headers or {}))


def test_the_script_of_each_page_is_light() -> None:
    """Two thirds of what was promised for all that a browser loads."""
    scripts = {name: asset for name, asset in LOADED.files.items() if name.endswith(".js")}

    assert set(SCRIPTS.values()) == set(scripts)
    assert max(len(asset.packed) for asset in scripts.values()) < SCRIPT_BYTES_MAX


def test_another_content_has_another_address(tmp_path, monkeypatch) -> None:
    (tmp_path / "static").mkdir()
    monkeypatch.setattr(assets, "files", lambda _package: tmp_path)
    (tmp_path / "static" / "a.html").write_text('<script src="{assets}/a.js">')
    (tmp_path / "static" / "a.js").write_text("1")
    one = assets.load("/dashboard").place
    (tmp_path / "static" / "a.js").write_text("2")
    two = assets.load("/dashboard").place

    assert one != two


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/", "/dashboard/keys?gone=1"])
def test_any_view_is_the_same_page_asked_for_anew(path) -> None:
    told = ask(path)

    assert (200, "no-cache") == (told.status, told.headers["Cache-Control"])
    assert told.headers["Content-Security-Policy"] == POLICY
    assert b"/dashboard/assets/" in told.body
    assert 304 == ask(path, {"If-None-Match": told.headers["ETag"]}).status


@pytest.mark.parametrize("page", SCRIPTS)
def test_what_the_first_view_shows_first_is_fetched_while_the_script_is_read(page) -> None:
    pages = Pages(page)
    [first] = re.findall(r'first: "(.*)",', LOADED.files[SCRIPTS[page]].body.decode())

    def ahead(path: str, **headers: str) -> list[str]:
        told = pages.answer(make_mocked_request("GET", path, headers=headers))
        return re.findall(r"<(\S+)>; rel=preload; as=fetch; crossorigin", told.headers["Link"])

    root = ["/metering/v1/session", f"/metering/v1{first}"]
    assert root == ahead("/dashboard") == ahead("/dashboard/?again")
    assert root == ahead("/dashboard", **{"If-None-Match": f'"{LOADED.digest}"'})
    assert root[:1] == ahead("/dashboard/keys")


def test_a_file_is_kept_for_ever_and_packed_for_whom_it_may_concern() -> None:
    path = f"{LOADED.place}/{SCRIPTS['account']}"
    plain, packed = ask(path), ask(path, {"Accept-Encoding": "gzip, br"})

    assert "immutable" in plain.headers["Cache-Control"]
    assert "nosniff" == plain.headers["X-Content-Type-Options"]
    assert gzip.decompress(packed.body) == plain.body
    assert "text/javascript; charset=utf-8" == packed.headers["Content-Type"]


@pytest.mark.parametrize(
    "name", ["none.js", "shell.js", "../assets.py", "%2e%2e/pages.py", "account.html", ""]
)
def test_there_are_no_other_files(name) -> None:
    assert 404 == ask(f"{LOADED.place}/{name}").status


def test_the_files_of_another_version_are_not_there() -> None:
    assert 404 == ask("/dashboard/assets/0123456789abcdef/views/account.js").status


@pytest.mark.parametrize(
    ("method", "path", "ours"),
    [
        ("GET", "/dashboard", True),
        ("HEAD", "/dashboard/usage", True),
        ("POST", "/dashboard", False),
        ("GET", "/dashboards", False),
        ("GET", "/dashboard/billing/usage", False),
    ],
)
def test_only_pages_are_taken_from_the_calls(method, path, ours) -> None:
    assert ours is PAGES.answers(method, path)


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    """What the policy forbids would not work; this tells it before a browser does."""
    for name, page in LOADED.pages.items():
        text = page.body.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text), name
        assert not re.search(r"(src|href)=\"(https?:)?//", text), name
    for name, script in LOADED.files.items():
        text = script.body.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert "http://" not in text.replace("http://www.w3.org/", ""), name
        assert "https://" not in text, name


@pytest.mark.parametrize("name", ["account", "operator"])
def test_a_page_asks_for_one_style_sheet_and_one_script(name) -> None:
    page = LOADED.pages[name].body.decode()
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert [f"{LOADED.place}/{file}" for file in ("mark.svg", "style.css", SCRIPTS[name])] == asked
