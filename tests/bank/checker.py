"""What must hold, at each snapshot and in the end. Answers what does not, in sentences.

Knows the ledger by its public snapshot and its journal only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bank.history import Call, History, Outcome
from bank.provider import Row
from bank.world import ADVANCE_UCR, CHECKPOINT_S, GATEWAYS
from support.gateways import INPUT_UCR, OUTPUT_UCR

from gateway.metering.balance import Balance
from gateway.metering.events import usage_in
from gateway.metering.journal import Entry

# What a killed gateway may not have booked yet: one interval, and what a busy machine adds to it.
DELTA_S = CHECKPOINT_S + 1.0
# How long after its end a call may still be on its way to the ledger or to the disk.
ENDING_S = 8.0


def check_snapshot(before: Balance | None, now: Balance) -> list[str]:
    """Conservation, and the bound: of one account, at one moment, and since the last one."""
    found = list(_unbalanced(now))
    if before is not None:
        found += [
            f"{name} fell from {getattr(before, name)} to {getattr(now, name)}"
            for name in ("charged_ucr", "granted_ucr")
            if getattr(now, name) < getattr(before, name)
        ]
    return [f"{now.account_id}: {each} in {now}" for each in found]


def _unbalanced(now: Balance) -> Iterator[str]:
    for grant in now.grants:
        parts = (
            grant.remaining_ucr,
            grant.held_ucr,
            grant.consumed_ucr,
            grant.expired_ucr,
            grant.voided_ucr,
        )
        if sum(parts) != grant.amount_ucr or min(parts) < 0:
            yield f"grant {grant.grant_id} does not add up"
    given = now.forgotten.amount_ucr + sum(grant.amount_ucr for grant in now.grants)
    if now.granted_ucr != given:
        yield "the grants are not what was granted"
    if now.held_ucr != sum(grant.held_ucr for grant in now.grants):
        yield "the grants do not hold what is held"
    if now.charged_ucr != now.consumed_ucr + now.debt_ucr:
        yield "what was charged is neither paid nor owed"
    if now.available_ucr < 0 or now.overdraft_held_ucr or now.observed_ucr:
        yield "more is held than there is"
    if now.available_ucr and now.debt_ucr:
        yield "there is debt beside free credit"


@dataclass(frozen=True)
class Ends:
    """What the journals say of one request: the provider's, the ledger's, the client's."""

    row: Row | None
    entries: Sequence[Entry]
    call: Call | None


def check_calls(
    history: History, rows: Sequence[Row], entries: Mapping[str, Sequence[Entry]]
) -> list[str]:
    """Every request, in the provider's journal, the ledger's and its client's. `entries`: by
    account."""
    found: list[str] = []
    charges: dict[str, list[Entry]] = defaultdict(list)
    for entry in (entry for account in entries.values() for entry in account if entry.charges):
        charges[entry.operation_id].append(entry)
    by_call = {call.call_id: call for call in history.calls}
    asked = {row.request_id for row in rows}
    if len(asked) != len(rows):
        found.append("a request reached the provider twice")
    for row in rows:
        call = by_call[row.call_id]
        ends = Ends(row, charges.pop(row.request_id, ()), call)
        found += [_told(each, ends) for each in _wrong(ends, history)]
    for request_id, without in charges.items():
        found.append(f"{request_id} is charged, and the provider never had it: {without}")
    reached = {row.call_id for row in rows}
    for call in history.calls:
        if call.outcome is Outcome.REFUSED and call.call_id in reached:
            found.append(f"refused, and forwarded all the same: {call}")
        if call.outcome is Outcome.OK and call.call_id not in reached:
            found.append(f"answered, and never forwarded: {call}")
    return found


def _told(what: str, ends: Ends) -> str:
    words = [] if ends.row is None else [f"{at:.2f}" for at in ends.row.words_s]
    return f"{what}\n    {ends.row}\n    {ends.call}\n    {ends.entries}\n    words {words}"


def _wrong(ends: Ends, history: History) -> Iterator[str]:
    row, call, entries = ends.row, ends.call, ends.entries
    assert row is not None
    assert call is not None
    kinds = [entry.kind for entry in entries]
    if kinds not in ([], ["settled"], ["expired"], ["late"], ["expired", "late"]):
        yield f"ended as {kinds}"
    charged_ucr = sum(entry.amount_ucr for entry in entries)
    if row.profile.status != 200 or call.outcome is Outcome.FAILED:
        if charged_ucr:
            yield f"an error is charged {charged_ucr}"
        return
    cut = bool(entries) and entries[-1].event.get("end") == "cut_by_quota"
    least, most = _owed(row, call, history, cut=cut)
    if charged_ucr > most:
        yield f"charged {charged_ucr}, produced {most}"
    if charged_ucr < least:
        yield f"charged {charged_ucr}, and {least} was relayed in time"
    if entries and _priced(entries[-1]) != charged_ucr:
        yield f"charged {charged_ucr} in all for a usage of {_priced(entries[-1])}"
    if call.outcome is Outcome.OK and not row.finished and not cut:
        yield "a broken answer ended as a whole one"
    for entry in entries:
        if entry.kind == "settled" and entry.debt_ucr and not _excused(entry, row, call, history):
            yield f"debt of {entry.debt_ucr} by a hold that should have covered it"


def _price(prompt_tokens: int, words: int) -> int:
    return prompt_tokens * INPUT_UCR + words * OUTPUT_UCR


def _priced(entry: Entry) -> int:
    usage = usage_in(entry.event)
    return _price(usage.input_uncached, usage.output_text)


def _owed(row: Row, call: Call, history: History, *, cut: bool) -> tuple[int, int]:
    """The least and the most that this call may have been charged. `cut`: it ended where its credit
    did, and what the provider had made beyond that nobody got."""
    most = _price(row.prompt_tokens, len(row.words_s))
    until_s = _booked_until(row, call, history)
    if until_s is None:
        if call.outcome is Outcome.OK and row.finished and not cut:
            return most, most
        if not call.words_s:
            return 0, most
        return _price(row.prompt_tokens, len(call.words_s)), most
    relayed = sum(at <= until_s for at in call.words_s)
    return (_price(row.prompt_tokens, relayed) if relayed else 0), most


def _booked_until(row: Row, call: Call, history: History) -> float | None:
    """Until when all that was relayed must be in the books although the gateway was killed;
    None if it was not, and so everything must."""
    ended_s = max([row.began_s, call.ended_s or row.began_s, *row.words_s])
    kills = [
        kill.began_s
        for kill in history.kills(call.gateway)
        if row.began_s <= kill.began_s <= ended_s + ENDING_S
    ]
    if not kills:
        return None
    until_s = min(kills) - DELTA_S
    # Nothing could be booked while the store was away, whichever way.
    for trouble in sorted(history.store_troubles(call.gateway), key=lambda each: -each.began_s):
        if trouble.overlaps(until_s, min(kills)):
            until_s = min(until_s, trouble.began_s - DELTA_S)
    return until_s


def _excused(entry: Entry, row: Row, call: Call, history: History) -> bool:
    """The hold could not be extended, and what ran went on: the store did not answer."""
    ended_s = max([row.began_s, call.ended_s, *row.words_s]) + ENDING_S
    return any(
        trouble.overlaps(row.began_s, ended_s) for trouble in history.store_troubles(call.gateway)
    )


# In an outage, how long a gateway may take to notice, and a call that the store had admitted to
# reach the provider.
NOTICED_S = 1.5


def check_advances(history: History, rows: Sequence[Row], accounts: Collection[str]) -> list[str]:
    """In an outage a gateway serves an account by no more than it had held for that before."""
    found: list[str] = []
    by_call = {call.call_id: call for call in history.calls}
    for gateway in range(GATEWAYS):
        for outage in history.outages(gateway):
            served = dict.fromkeys(accounts, 0)
            for row in rows:
                call = by_call[row.call_id]
                began = outage.began_s + NOTICED_S <= row.began_s <= outage.ended_s
                if began and call.gateway == gateway and call.account in served:
                    words = sum(at <= outage.ended_s for at in call.words_s)
                    served[call.account] += _price(row.prompt_tokens, words) if words else 0
            found += [
                f"{account}: {served_ucr} served by gateway {gateway} without the store: {outage}"
                for account, served_ucr in served.items()
                if served_ucr > ADVANCE_UCR
            ]
    return found


def check_accounts(
    history: History,
    balances: Mapping[str, Balance],
    entries: Mapping[str, Sequence[Entry]],
) -> list[str]:
    """Each account at the end: nothing held, all grants there once, the journal tells the same."""
    found: list[str] = []
    for account, balance in balances.items():
        asked = history.granted.get(account, {})
        # What is set aside in advance is held for nobody, and goes back by itself.
        if balance.running_calls or balance.held_ucr != balance.advances_ucr:
            found.append(f"{account}: something is held for good: {balance}")
        here = {grant.grant_id: grant.amount_ucr for grant in balance.grants}
        gone = sum(amount_ucr for name, amount_ucr in asked.items() if name not in here)
        forgotten = balance.forgotten
        whole = (len(asked) - len(here), gone) == (forgotten.grants, forgotten.amount_ucr)
        if not (whole and here.items() <= asked.items()):
            found.append(f"{account}: grants are not those that were asked for: {balance}, {asked}")
        replayed = sum(entry.effect_ucr for entry in entries[account])
        free = sum(grant.remaining_ucr for grant in balance.grants)
        left = free + balance.advances_ucr - balance.debt_ucr
        if replayed != left:
            found.append(f"{account}: the journal comes to {replayed}, the books to {left}")
    return found
