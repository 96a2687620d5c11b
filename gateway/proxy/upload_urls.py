"""Where a resumable upload goes on: here, not at the provider's own host.

Google answers the start of an upload with the URL of the rest (`X-Goog-Upload-URL`), at its own
host. Followed as it stands, the file would be sent past the gateway, by a client whose key Google
does not know. So scheme and host become those by which the caller reached us, and the caller's own
key is added, as Google does for those who send theirs in the query: its SDKs send the rest of an
upload without any. The path stays and is one of ours, `/upload/v1beta/files`.

Source: Gemini API reference, "Files", `media.upload`; google-genai package 3.6.1, `_upload_fd`
(read 2026-11-26).
"""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from gateway.dialects.keys import presented_key
from gateway.proxy.links import origin
from gateway.proxy.seams import RawHeaders

UPLOAD_URLS = frozenset({b"x-goog-upload-url", b"x-goog-upload-control-url"})


def through_here(
    answer: RawHeaders,
    *,
    provider_host: bytes,
    headers: Mapping[str, str],
    query: Mapping[str, str],
) -> list[tuple[bytes, bytes]]:
    """An answer's fields with its upload URLs leading to us; those that lead to another host than
    the provider's are left alone.

    `headers` and `query` of the request.
    """
    here, key = origin(headers), presented_key(headers, query) or ""
    return [
        (name, _moved(value, provider_host, here=here, key=key))
        if name.lower() in UPLOAD_URLS and here
        else (name, value)
        for name, value in answer
    ]


def _moved(url: bytes, provider_host: bytes, *, here: str, key: str) -> bytes:
    try:
        parts = urlsplit(url.decode("latin-1"))
    except ValueError:
        return url
    if parts.netloc.lower() != provider_host.decode("latin-1").lower():
        return url
    query = "&".join(filter(None, [parts.query, f"key={quote(key, safe='')}"]))
    scheme, _, host = here.partition("://")
    return urlunsplit((scheme, host, parts.path, query, "")).encode("latin-1", "replace")
