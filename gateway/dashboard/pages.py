"""Serves the dashboard: one page for all its views, and the page's files.

The page is asked for anew each time and answered with 304 if it is the same; its files may be kept
for ever, since their address changes with them. What the page may do is said to the browser: run
and fetch what comes from here, nothing inline, nothing from elsewhere, in nobody's frame, and no
text ever taken for markup or script.
"""

from collections.abc import Mapping

from aiohttp import web

from gateway.dashboard.assets import Asset, Assets, load

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
FOR_EVER = "public, max-age=31536000, immutable"
ANEW = "no-cache"
ROOT = "/dashboard"
SESSION = "/metering/v1/session"
# What the script of each page asks for first, at its root: browsers fetch it while they read the
# script (https://www.w3.org/TR/preload/).
FIRST: Mapping[str, str] = {"account": "/metering/v1/balance", "operator": "/metering/v1/health"}


class Pages:
    """`page`: whose views these are."""

    def __init__(self, page: str) -> None:
        self._assets: Assets = load(ROOT)
        self._first = FIRST[page]
        self._page = self._assets.pages[page]
        self._etag = f'"{self._assets.digest}"'

    def answers(self, method: str, path: str) -> bool:
        """Whether a request is for a page. Old clients of OpenAI's poll below /dashboard/billing:
        those are calls."""
        below = path == ROOT or path.startswith(f"{ROOT}/")
        return below and method in ("GET", "HEAD") and not path.startswith(f"{ROOT}/billing")

    def answer(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if not path.startswith(f"{ROOT}/assets/"):
            link = {"Link": ", ".join(map(_ahead, self._asked_first(path)))}
            if request.headers.get("If-None-Match") == self._etag:
                return web.Response(status=304, headers=self._headers(ANEW) | link)
            return self._told(request, self._page, ANEW, **link)
        found = self._assets.files.get(path.removeprefix(f"{self._assets.place}/"))
        if found is None:
            return web.Response(status=404, headers=SECURITY, text="There is nothing here.\n")
        return self._told(request, found, FOR_EVER)

    def _asked_first(self, path: str) -> tuple[str, ...]:
        return (SESSION, self._first) if path.rstrip("/") == ROOT else (SESSION,)

    def _told(self, request: web.BaseRequest, asset: Asset, kept: str, **also: str) -> web.Response:
        headers = {
            **self._headers(kept),
            **also,
            "Content-Type": asset.media_type,
            "Vary": "Accept-Encoding",
        }
        body = asset.body
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = asset.packed, "gzip"
        return web.Response(headers=headers, body=body)

    def _headers(self, kept: str) -> dict[str, str]:
        return {**SECURITY, "Cache-Control": kept, "ETag": self._etag}


def _ahead(address: str) -> str:
    return f"<{address}>; rel=preload; as=fetch; crossorigin"
