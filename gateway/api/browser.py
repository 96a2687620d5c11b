"""What a browser sends beside a request, and why none of it can come from somebody else's page.

The session's cookie is HttpOnly and SameSite=Strict, and goes to the Metering API's paths alone: no
script reads it, no other site's request carries it, and no call to a provider ever does. Beside
that, a request that comes by it must be this site's own by what the browser says of it
(`Sec-Fetch-Site`, or `Origin` from older ones), and whatever changes something must carry the
session's guard in a header, which only a page that read it from us can send.
"""

from collections.abc import Mapping
from hmac import compare_digest

from gateway.errors import Forbidden

COOKIE = "tollkeeper_session"
# Cookies do not know ports: both listeners may have the same host.
OPERATOR_COOKIE = "tollkeeper_operator"
GUARD = "X-Tollkeeper-Guard"
SAFE = ("GET", "HEAD")
# What the browser itself says: our own page, or the address bar and bookmarks.
OWN = ("same-origin", "none")


def session_token(headers: Mapping[str, str], name: str) -> str:
    """What the cookie of that name holds; empty without it."""
    for part in headers.get("Cookie", "").split(";"):
        found, _, value = part.strip().partition("=")
        if found == name:
            return value
    return ""


def check_own_site(headers: Mapping[str, str]) -> None:
    """Raises Forbidden for what another site's page caused."""
    said = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    if said is not None:
        own = said in OWN
    else:
        own = origin is None or origin.partition("://")[2] == headers.get("Host", "")
    if not own:
        raise _foreign("This came from another site's page.")


def check_guard(method: str, headers: Mapping[str, str], guard: str) -> None:
    """Raises Forbidden for a change without the session's guard."""
    if method not in SAFE and not compare_digest(headers.get(GUARD, "").encode(), guard.encode()):
        raise _foreign(f"Send {GUARD} with the `guard` that signing in answered.")


def cookie(name: str, token: str, *, path: str, lives_s: int, secure: bool) -> str:
    """The header's value; an empty `token` takes the cookie away."""
    parts = [f"{name}={token}", f"Path={path}", f"Max-Age={lives_s}", "HttpOnly"]
    return "; ".join([*parts, "SameSite=Strict", *(["Secure"] if secure else [])])


def came_by_https(headers: Mapping[str, str]) -> bool:
    """As the browser sees it: TLS ends before the gateway."""
    return headers.get("Origin", "").startswith("https://")


def _foreign(why: str) -> Forbidden:
    return Forbidden(why, code="cross_site")
