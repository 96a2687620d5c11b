"""Rate-limit headers: each vendor's own, and the IETF's `RateLimit` fields.

OpenAI: https://platform.openai.com/docs/guides/rate-limits (names; durations such as `6m0s`).
IETF: draft-ietf-httpapi-ratelimit-headers, `RateLimit-Policy` and `RateLimit`.
"""

from collections.abc import Sequence

from gateway.metering.admission import Standing
from gateway.metering.limits import Unit, Window

_WINDOW_S = {Window.MINUTE: 60, Window.HOUR: 3_600, Window.DAY: 86_400, Window.MONTH: 2_592_000}
_RATES = (Unit.REQUESTS, Unit.TOKENS)


def openai_headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    """`x-ratelimit-*` of the tightest requests and tokens limits; nothing where there is none."""
    headers: list[tuple[bytes, bytes]] = []
    for unit in _RATES:
        tightest = _tightest([at for at in standings if at.limit.unit is unit])
        if tightest is None:
            continue
        kind = unit.encode()
        headers += [
            (b"x-ratelimit-limit-" + kind, b"%d" % tightest.limit.ceiling),
            (b"x-ratelimit-remaining-" + kind, b"%d" % tightest.room),
            (b"x-ratelimit-reset-" + kind, duration(tightest.resets_in_ms).encode()),
        ]
    return headers + ratelimit_headers(standings)


def ratelimit_headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    """The generic pair: every windowed rate limit as a policy, the tightest as the state."""
    rates = [at for at in standings if at.limit.unit in _RATES and at.limit.window in _WINDOW_S]
    tightest = _tightest(rates)
    if tightest is None:
        return []
    policies = ", ".join(
        f'"{at.limit.name}";q={at.limit.ceiling};w={_WINDOW_S[at.limit.window]}' for at in rates
    )
    reset_s = -(-tightest.resets_in_ms // 1000)
    state = f'"{tightest.limit.name}";r={tightest.room};t={reset_s}'
    return [(b"RateLimit-Policy", policies.encode()), (b"RateLimit", state.encode())]


def _tightest(standings: Sequence[Standing]) -> Standing | None:
    """The limit nearest to exhaustion, by the share that is left."""
    return min(standings, key=lambda at: at.room / max(1, at.limit.ceiling), default=None)


def duration(ms: int) -> str:
    """As OpenAI writes it: `17ms`, `1s`, `6m0s`, `23h59m8s`."""
    if ms < 1000:  # noqa: PLR2004  below a second
        return f"{ms}ms"
    minutes, seconds = divmod(-(-ms // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
