"""GET /costs/focus: what was used and bought, as lines of FOCUS (FinOps Open Cost and Usage).

Version 1.2, https://focus.finops.org/focus-specification/: its mandatory columns, and those that
say more here. A line of use for each hour, key, model, dialect and class. Prepaid credit covered
it, so nothing is billed for it, and its worth is its effective cost; credit that was bought is
billed where it came in and has no effective cost there. So no sum counts anything twice.
"""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from gateway.access.services import ServiceScope
from gateway.api.balance import usd
from gateway.api.buckets import Seconds
from gateway.api.operation import Asked, Audience, Operation, Text
from gateway.api.resources import Resources
from gateway.api.shapes import Query
from gateway.api.usage_records import CSV, harmless
from gateway.api.whose import AccountQuery, account_of
from gateway.errors import BadCall, HistoryUnavailable
from gateway.metering.admission import decimal_credits
from gateway.metering.history import DAY_MS, HOUR_MS, CostSum, Dimension, Movement, Question
from gateway.metering.journal import FUNDED
from gateway.metering.ledger import GrantKind
from gateway.metering.limits import Window, window_bounds
from gateway.metering.receipt import LineKind
from gateway.stores.rewinding import grant_again

DAYS_MAX = 31
# Some 40 MB of text.
ROWS_MAX = 100_000
MOVEMENTS_AT_ONCE = 500
DIVIDED_BY = (Dimension.KEY, Dimension.MODEL, Dimension.DIALECT)
MILLION = 1_000_000
SELLER = "Tollkeeper"
COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargeFrequency", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost"),
    *("InvoiceIssuerName", "ListCost", "PricingCurrency", "PricingCurrencyEffectiveCost"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory"),
    *("ServiceName", "SkuId", "SubAccountId", "SubAccountName"),
)
Row = Mapping[str, object]


class FocusQuery(AccountQuery):
    """Which time: whole UTC hours, at most 31 days of them."""

    start_time: Seconds
    """Unix seconds."""
    end_time: Seconds
    """Unix seconds, not included."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_focus(asked: Asked[Query]) -> Text:
        known = cast("Asked[FocusQuery]", asked)
        start_ms = known.query.start_time * 1000 // HOUR_MS * HOUR_MS
        end_ms = -(-known.query.end_time * 1000 // HOUR_MS) * HOUR_MS
        if end_ms - start_ms > DAYS_MAX * DAY_MS:
            raise BadCall(f"At most {DAYS_MAX} days at a time.", details={"param": "end_time"})
        account_id = account_of(known)
        lines = await _Lines.of(resources, account_id)
        costs = await _costs(resources, account_id, start_ms, end_ms)
        funded = await _funded(resources, account_id, start_ms, end_ms)
        if len(costs) + len(funded) > ROWS_MAX:
            raise BadCall(f"That is more than {ROWS_MAX} lines: ask for a shorter time.")
        # A second's work for many lines: calls must not wait for it.
        written = await asyncio.to_thread(lines.written, costs, funded)
        named = {"Content-Disposition": 'attachment; filename="focus.csv"'}
        return Text(f"{CSV}; charset=utf-8", written, named)

    return (
        Operation(
            method="GET",
            path="/costs/focus",
            name="exportFocus",
            summary="What was used and bought, as FOCUS 1.2 (CSV)",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_focus,
            query=FocusQuery,
            media=(CSV,),
            errors=(HistoryUnavailable,),
        ),
    )


async def _costs(
    resources: Resources, account_id: str, start_ms: int, end_ms: int
) -> Sequence[CostSum]:
    return await resources.history.costs(
        Question(
            account_id=account_id,
            start_ms=start_ms,
            end_ms=max(start_ms, end_ms),
            width_ms=HOUR_MS,
            by=DIVIDED_BY,
        )
    )


async def _funded(
    resources: Resources, account_id: str, start_ms: int, end_ms: int
) -> Sequence[Movement]:
    found: list[Movement] = []
    before: int | None = None
    while page := await resources.history.movements(
        account_id, kinds=(FUNDED,), before=before, limit=MOVEMENTS_AT_ONCE
    ):
        found += [each for each in page if start_ms <= each.entry.time_ms < end_ms]
        if page[-1].entry.time_ms < start_ms:
            break
        before = page[-1].number
    return found


class _Lines:
    """What all lines of an account share."""

    def __init__(
        self,
        shared: Row,
        *,
        keys: Mapping[str, str],
        usd_nanos_per_credit: int,
    ) -> None:
        self._shared = shared
        self._keys = keys
        self._nanos = usd_nanos_per_credit

    @classmethod
    async def of(cls, resources: Resources, account_id: str) -> "_Lines":
        account = await resources.keys.account(account_id)
        keys = await resources.keys.keys(account_id)
        return cls(
            {
                **dict.fromkeys(COLUMNS, ""),
                "BillingAccountId": account_id,
                "BillingAccountName": account.name if account else "",
                "BillingCurrency": "USD",
                "InvoiceIssuerName": SELLER,
                "PricingCurrency": "Credits",
                "ProviderName": SELLER,
                "PublisherName": SELLER,
                "ServiceCategory": "AI and Machine Learning",
            },
            keys={key.key_id: key.name for key in keys},
            usd_nanos_per_credit=resources.usd_nanos_per_credit,
        )

    def written(self, costs: Sequence[CostSum], funded: Sequence[Movement]) -> bytes:
        rows = [*map(self.used, costs), *map(self.bought, funded)]
        rows.sort(key=lambda row: str(row["ChargePeriodStart"]))
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows([harmless(row[name]) for name in COLUMNS] for row in rows)
        return text.getvalue().encode()

    def used(self, found: CostSum) -> Row:
        key_id, model, dialect = found.group
        worth = usd(found.amount_ucr, usd_nanos_per_credit=self._nanos)
        tokens = found.kind == LineKind.TOKENS
        return {
            **self._shared,
            **_periods(found.bucket_ms, HOUR_MS),
            "BilledCost": "0",
            "ChargeCategory": "Usage",
            "ChargeDescription": f"{model} {found.name}",
            "ChargeFrequency": "Usage-Based",
            "ConsumedQuantity": found.quantity,
            "ConsumedUnit": "Tokens" if tokens else found.name,
            "ContractedCost": worth,
            "EffectiveCost": worth,
            "ListCost": worth,
            "PricingCurrencyEffectiveCost": decimal_credits(found.amount_ucr),
            "PricingQuantity": Decimal(found.quantity) / MILLION if tokens else found.quantity,
            "PricingUnit": f"{MILLION} Tokens" if tokens else found.name,
            "ServiceName": dialect,
            "SkuId": f"{model}/{found.name}",
            "SubAccountId": key_id,
            "SubAccountName": self._keys.get(key_id, ""),
        }

    def bought(self, movement: Movement) -> Row:
        entry = movement.entry
        paid = grant_again(entry).kind is GrantKind.PREPAID
        cost = usd(entry.amount_ucr, usd_nanos_per_credit=self._nanos) if paid else "0"
        return {
            **self._shared,
            **_periods(entry.time_ms // HOUR_MS * HOUR_MS, HOUR_MS),
            "BilledCost": cost,
            "ChargeCategory": "Purchase" if paid else "Credit",
            "ChargeDescription": f"Credit: {entry.operation_id}",
            "ChargeFrequency": "One-Time",
            "ContractedCost": cost,
            "EffectiveCost": "0",
            "ListCost": cost,
            "PricingCurrencyEffectiveCost": "0",
            "PricingQuantity": decimal_credits(entry.amount_ucr),
            "PricingUnit": "Credits",
            "ServiceName": "Credits",
            "SkuId": "credits",
        }


def _periods(start_ms: int, length_ms: int) -> Row:
    month_ms = window_bounds(Window.MONTH, start_ms)
    return {
        "BillingPeriodStart": _time(month_ms[0]),
        "BillingPeriodEnd": _time(month_ms[1]),
        "ChargePeriodStart": _time(start_ms),
        "ChargePeriodEnd": _time(start_ms + length_ms),
    }


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
