import pytest

from gateway.dialects.gemini_times import epoch_s, seconds_of


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("3600s", 3600), ("0s", 0), ("1.5s", 1.5), ("0.000000001s", 1e-9)],
)
def test_a_duration_is_read_in_seconds(duration, seconds):
    assert seconds == seconds_of(duration)


@pytest.mark.parametrize("duration", [None, 3600, "3600", "1h", "-5s", "s", "1e3s", "9" * 20 + "s"])
def test_what_is_no_duration_is_none(duration):
    assert None is seconds_of(duration)


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-26T10:00:00Z",
        "2026-11-26T10:00:00.000000000Z",
        "2026-11-26T12:00:00+02:00",
    ],
)
def test_a_moment_is_read_wherever_it_is(moment):
    assert 1_795_687_200 == epoch_s(moment)


@pytest.mark.parametrize("moment", [None, 5, "", "2026-11-26", "2026-11-26T10:00:00", "soon"])
def test_what_is_no_moment_is_none(moment):
    assert None is epoch_s(moment)
