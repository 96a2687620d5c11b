"""Our sinks in front of the contract servers, impatient and with small batches."""

import base64
import ipaddress

from support.contract_servers.clickhouse import PASSWORD
from support.contract_servers.lago import KEY as LAGO_KEY
from support.contract_servers.openmeter import TOKEN
from support.contract_servers.stripe import KEY as STRIPE_KEY
from support.exports import LIMITS

from gateway.sinks.addresses import Networks
from gateway.sinks.clickhouse import ClickHouseOptions, ClickHouseSink
from gateway.sinks.lago import LagoOptions, LagoSink
from gateway.sinks.openmeter import OpenMeterOptions, OpenMeterSink
from gateway.sinks.stripe import StripeOptions, StripeSink
from gateway.sinks.webhook import WebhookOptions, WebhookSink, secret_of
from gateway.stores.redis.ledger import RedisLedger

TIMEOUT_S = 0.4
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def lago(url: str) -> LagoSink:
    options = LagoOptions(
        url=url,
        api_key=LAGO_KEY,
        metric="llm_{class}",
        charge_metric="llm_charge",
        timeout_s=TIMEOUT_S,
    )
    return LagoSink("lago", options, LIMITS)


def openmeter(url: str) -> OpenMeterSink:
    options = OpenMeterOptions(url=url, api_key=TOKEN, timeout_s=TIMEOUT_S)
    return OpenMeterSink("openmeter", options, LIMITS)


def stripe(url: str) -> StripeSink:
    options = StripeOptions(
        url=url,
        api_key=STRIPE_KEY,
        event_name="tokens",
        charge_event_name="charges",
        skip_unknown=False,
        timeout_s=TIMEOUT_S,
    )
    return StripeSink("stripe", options, LIMITS)


def clickhouse(url: str) -> ClickHouseSink:
    options = ClickHouseOptions(
        url=url,
        table="tollkeeper_usage",
        user="default",
        password=PASSWORD,
        timeout_s=TIMEOUT_S,
    )
    return ClickHouseSink("clickhouse", options, LIMITS)


def webhook(url: str, ledger: RedisLedger, *, allow: Networks = LOOPBACK) -> WebhookSink:
    options = WebhookOptions(
        url=url, secrets=(secret_of(SECRET),), allow=allow, timeout_s=TIMEOUT_S
    )
    return WebhookSink("webhook", options, LIMITS, now_ms=ledger.now_ms)
