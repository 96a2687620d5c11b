"""Alerts as they are written, and as the ledger keeps them."""

import pytest

from gateway.metering.alerts import Alert, alert_of, alerts_text


def test_a_part_that_is_used_up_or_credits_that_are_left():
    assert Alert("80%", left_percent=20) == alert_of("80%")
    assert Alert("100%", left_percent=0) == alert_of("100%")
    assert Alert("0.25", left_ucr=250_000) == alert_of("0.25")


@pytest.mark.parametrize("text", ["", "0%", "101%", "-1", "80", "1.2345678", "80 %", "9999999999"])
def test_what_is_no_alert(text):
    expected = Alert("80", left_ucr=80_000_000) if text == "80" else None

    assert expected == alert_of(text)


def test_the_ledger_keeps_the_name_and_the_mark():
    found = [alert for alert in map(alert_of, ["80%", "20"]) if alert]

    assert "80% p20 20 u20000000" == alerts_text(found)
