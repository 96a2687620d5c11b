"""A vendor's front door: which credential it takes, what stands on its answers, how it refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import orjson

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.journal import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    credential: Callable[[Mapping[str, str]], str]
    """What a request's headers (their case does not matter) present; empty without."""
    no_credential: str
    wrong_credential: str
    headers: Callable[[Entry], dict[str, str]]
    """Of any answer, its content type aside."""
    error: Callable[[RefusedRequest, Entry], dict[str, object]]
    error_headers: Callable[[RefusedRequest], dict[str, str]] = lambda _: {}

    def let_in(self, headers: Mapping[str, str], *, api_key: str | None) -> None:
        """Raises RefusedRequest. Without an `api_key` any credential will do."""
        presented = self.credential(headers)
        if not presented:
            raise RefusedRequest(self.no_credential, status=401)
        if api_key not in (None, presented):
            raise RefusedRequest(self.wrong_credential, status=401, code="invalid_api_key")

    def error_document(self, refused: RefusedRequest, entry: Entry) -> bytes:
        return orjson.dumps(self.error(refused, entry), option=orjson.OPT_INDENT_2)


def bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _openai_headers(entry: Entry) -> dict[str, str]:
    """The limits are those of an untouched account."""
    return {
        "openai-organization": "simulator",
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-remaining-tokens": "1999900",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "3ms",
        "x-request-id": entry.request_id,
    }


def _openai_error(refused: RefusedRequest, _entry: Entry) -> dict[str, object]:
    return {
        "error": {
            "message": str(refused),
            "type": refused.kind,
            "param": refused.param,
            "code": refused.code,
        }
    }


OPENAI = Vendor(
    credential=bearer,
    no_credential=(
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
    ),
    wrong_credential="Incorrect API key provided.",
    headers=_openai_headers,
    error=_openai_error,
)

AZURE = replace(OPENAI, credential=lambda headers: headers.get("api-key", ""))
