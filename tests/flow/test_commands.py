"""The commands as an operator uses them: real processes, a real store, and a gateway beside it."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support.commands import Ran, tollkeeper
from support.gateways import SECRETS, TestGateway, running_gateway, write_config

from gateway.cli import COMMANDS, main

Command = Callable[..., Awaitable[Ran]]


@pytest.fixture
def config(tmp_path: Path, store_url: str) -> Path:
    return write_config(tmp_path, store_url=store_url, provider_url="http://127.0.0.1:9")


@pytest.fixture
def run(config: Path) -> Command:
    """A command against the store, as `here` runs it."""

    async def command(*words: str) -> Ran:
        return await here(*words, config=config)

    return command


async def here(*words: str, config: Path) -> Ran:
    """A command in a thread of this process: starting one of its own takes a second."""
    result = await asyncio.to_thread(
        CliRunner().invoke, main, [*words, "--config", str(config)], env=SECRETS
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


async def test_an_account_is_known_to_billing_systems_by_other_names(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")
    await run("accounts", "set", "acme", "--external", "stripe=cus_1", "--external", "lago=sub_1")

    changed = await run("accounts", "set", "acme", "--external", "lago=", "--json")
    malformed = await run("accounts", "set", "acme", "--external", "stripe")

    assert {"stripe": "cus_1"} == changed.json()["external"]
    assert "'stripe' is no SYSTEM=ID" in malformed.err


async def test_an_account_from_its_creation_to_its_suspension(run) -> None:
    empty = await run("accounts", "list")
    made = await run("accounts", "create", "acme", "--plan", "test", "--name", "Ключ 漢字")
    changed = await run("accounts", "set", "acme", "--status", "suspended", "--json")
    listed = await run("accounts", "list", "--json")

    assert "No accounts yet: `accounts create` makes one.\n" == empty.out
    assert "account   acme" == made.out.splitlines()[0], made.err
    assert "name      Ключ 漢字" == made.out.splitlines()[1]
    assert "suspended" == changed.json()["status"]
    [account] = listed.json()
    assert ("acme", "Ключ 漢字", "test", "suspended") == tuple(
        account[name] for name in ("account", "name", "plan", "status")
    )
    assert ("0", "0", "0") == (account["available"], account["held"], account["debt"])
    assert account["created"].endswith("Z")


async def test_a_grant_repeated_under_its_id_changes_nothing(run, config) -> None:
    """Here each command is a process of its own, as in a shell."""
    await run("accounts", "create", "acme", "--plan", "test")

    async def process(*words: str) -> Ran:
        return await tollkeeper(*words, "--config", str(config))

    grant = ("grant", "acme", "12.5", "--id", "invoice-17", "--expires", "2999-01-31", "--json")
    first, again = await process(*grant), await process(*grant)
    other = await process("grant", "acme", "13", "--id", "invoice-17")
    balance = await run("balance", "acme", "--json")

    assert ("12.5", False, "12.5") == tuple(
        first.json()[name] for name in ("credits", "repeated", "available")
    )
    assert ("12.5", True, "12.5") == tuple(
        again.json()[name] for name in ("credits", "repeated", "available")
    )
    assert (
        "A grant or correction of this id exists with another payload; choose a new id."
        == other.refusal()
    )
    found = balance.json()
    assert ("12.5", "12.5", "0") == (found["available"], found["granted"], found["charged"])
    [stored] = found["grants"]
    assert ("invoice-17", "12.5", "2999-01-31T00:00:00Z") == (
        stored["grant"],
        stored["remaining"],
        stored["expires"],
    )


async def test_credit_is_listed_in_the_order_it_burns(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")
    for words in (("5", "--id", "paid"), ("2", "--id", "gift", "--kind", "promo"),
                  ("1", "--id", "first", "--priority", "0")):  # fmt: skip
        await run("grant", "acme", *words)
    balance = await run("balance", "acme")

    assert ["first", "gift", "paid"] == [row[0] for row in balance.table()[-3:]]
    assert "available      8" in balance.out


def spent_rows(ran: Ran) -> list[tuple[object, ...]]:
    return [tuple(row.values())[1:] for row in ran.json()]


async def test_usage_and_balance_tell_what_calls_cost(tmp_path, store_url) -> None:
    async with running_gateway(tmp_path, store_url, credit=10) as gateway:
        for model in ("gpt-4.1-mini", "fast"):
            async with gateway.chat(model=model, simulate="tokens=100") as answer:
                assert 200 == answer.status
        await gateway.settled(charged=lambda ucr: ucr > 0)
        config = tmp_path / "gateway.yaml"
        usage = await here("usage", "acme", "--json", config=config)
        balance = await here("balance", "acme", "--json", config=config)
        table = await here("usage", "acme", "--days", "1", config=config)
        found = await gateway.assert_books_balance()

    cost = f"{found.charged_ucr / 1_000_000:f}".rstrip("0")
    [(model, calls, input_tokens, output_tokens, pieces, spent)] = spent_rows(usage)
    assert ("gpt-4.1-mini", 2, 200, {}, cost) == (model, calls, output_tokens, pieces, spent)
    assert found.charged_ucr == input_tokens * 40 + output_tokens * 160
    assert cost == balance.json()["charged"]
    assert ["gpt-4.1-mini", cost] == [table.out.split()[-5], table.out.split()[-1]]


async def test_usage_tells_what_was_used_by_the_piece(tmp_path, store_url) -> None:
    more = 'unknown_endpoints: forward_flat\nunknown_endpoint_usd: "0.02"'
    async with running_gateway(tmp_path, store_url, more=more) as gateway:
        headers = {"Authorization": f"Bearer {gateway.key}"}
        url = gateway.base_url.removesuffix("/v1") + "/_simulator/journal"
        for _ in range(3):
            async with gateway.http.get(url, headers=headers) as answer:
                assert 200 == answer.status
        await gateway.settled(charged=lambda ucr: ucr == 6_000_000)
        config = tmp_path / "gateway.yaml"
        usage = await here("usage", "acme", "--json", config=config)
        table = await here("usage", "acme", config=config)

    assert [("unknown_endpoint", 3, 0, 0, {"request": 3}, "6")] == spent_rows(usage)
    assert ["pieces", "request 3"] == [
        word for word in ("pieces", "request 3") if word in table.out
    ]


async def answered(gateway: TestGateway, key: str) -> int:
    async with gateway.chat(headers={"Authorization": f"Bearer {key}"}) as answer:
        await answer.read()
        return answer.status


async def until(status: int, gateway: TestGateway, key: str, *, within_s: float) -> None:
    """Calls with `key` are answered with `status` before that time is over."""
    async with asyncio.timeout(within_s):
        while await answered(gateway, key) != status:
            await asyncio.sleep(0.02)


async def test_keys_are_made_rotated_with_an_overlap_and_revoked(tmp_path, store_url) -> None:
    async with running_gateway(tmp_path, store_url) as gateway:
        config = tmp_path / "gateway.yaml"
        made = (
            await here(
                "keys", "create", "--account", "acme", "--name", "ci", "--json", config=config
            )
        ).json()
        assert 200 == await answered(gateway, made["key"])

        fresh = (
            await here("keys", "rotate", made["key_id"], "--overlap", "2s", "--json", config=config)
        ).json()
        assert (200, 200) == (
            await answered(gateway, fresh["key"]),
            await answered(gateway, made["key"]),
        )
        await until(401, gateway, made["key"], within_s=5)
        assert 200 == await answered(gateway, fresh["key"])

        revoked = await here("keys", "revoke", fresh["key_id"], "--json", config=config)
        await until(401, gateway, fresh["key"], within_s=1)
        listed = (await here("keys", "list", "--account", "acme", "--json", config=config)).json()

    assert "revoked" == revoked.json()["status"]
    assert {(made["key_id"], "expired"), (fresh["key_id"], "revoked")} <= {
        (key["key_id"], key["status"]) for key in listed
    }
    assert made["key"] not in str(listed)


async def refusal(run: Command, *words: str) -> str:
    return (await run(*words)).refusal()


async def test_a_key_is_shown_once_and_says_so(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")
    options = ("--account", "acme", "--model", "gpt-4.1*", "--expires-in", "1d")
    made = (await run("keys", "create", *options)).out
    listed = (await run("keys", "list")).out

    secret = made.split()[1]
    assert secret.startswith("tk_")
    assert "Copy the key now" in made
    assert secret not in listed
    assert secret.split("_")[1] in listed
    assert "gpt-4.1*" in listed


async def test_empty_lists_say_what_to_do(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")

    assert "No keys yet: `keys create` makes one.\n" == (await run("keys", "list")).out
    assert [] == (await run("keys", "list", "--json")).json()
    assert "No usage in the last 30 days.\n" == (await run("usage", "acme")).out
    balance = await run("balance", "acme")
    assert balance.out.endswith("No grants yet: `grant` puts credit in.\n")


async def test_the_largest_balance_is_printed_to_the_last_digit(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")

    granted = await run("grant", "acme", "9007199254.740991")

    assert "credits    9007199254.740991" in granted.out


async def test_refusals_say_what_is_wrong_and_what_there_is(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")

    assert "There is no plan 'tset'. The configuration has: test." == await refusal(
        run, "accounts", "create", "other", "--plan", "tset"
    )
    assert "There is no plan 'tset'. The configuration has: test." == await refusal(
        run, "accounts", "set", "acme", "--plan", "tset"
    )
    assert "The account 'acme' exists already. `accounts list` shows it." == await refusal(
        run, "accounts", "create", "acme", "--plan", "test"
    )
    assert "cannot be an account id" in await refusal(
        run, "accounts", "create", "a b", "--plan", "test"
    )
    for words in (
        ("balance", "nobody"),
        ("usage", "nobody"),
        ("grant", "nobody", "5"),
        ("keys", "create", "--account", "nobody"),
        ("keys", "list", "--account", "nobody"),
        ("balance", "no body\udcff"),
    ):
        assert "There is no account 'no" in await refusal(run, *words)
    assert "There is no key 'tk_x'" in await refusal(run, "keys", "revoke", "tk_x")
    assert "not '-5'" in await refusal(run, "grant", "acme", "-5")
    assert "at most 9007199254.740991 credits" in await refusal(
        run, "grant", "acme", "1" + 20 * "0"
    )
    assert "such as 90s" in await refusal(
        run, "keys", "create", "--account", "acme", "--expires-in", "soon"
    )
    assert "no line breaks" in await refusal(run, "grant", "acme", "5", "--note", "a\nb")


async def test_more_than_the_ledger_can_count_is_refused_whatever_it_is_made_of(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")
    await run("grant", "acme", "9007199254")

    assert "add up to more than the ledger can count" in await refusal(run, "grant", "acme", "1")


async def test_a_revoked_key_is_not_rotated(run) -> None:
    await run("accounts", "create", "acme", "--plan", "test")
    made = (await run("keys", "create", "--account", "acme", "--json")).json()
    key_id = made["key_id"]
    await run("keys", "revoke", key_id)

    assert f"The key {key_id} is revoked; make a new one." == await refusal(
        run, "keys", "rotate", key_id
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("accounts", "set", "acme"),
            "Nothing to change: give --plan, --name, --status, --external or --alert.",
        ),
        (
            ("grant", "acme", "5", "--id", "x", "--expires-in", "1d"),
            "With --id, say --expires DATE",
        ),
        (("grant", "acme", "5", "--priority", "-1"), "-1 is not in the range 0<=x<=100"),
        (("grant", "acme", "5", "--kind", "gift"), "'prepaid', 'allowance', 'promo', 'correction'"),
        (("usage", "acme", "--days", "0"), "0 is not in the range 1<=x<=400"),
        (("keys", "crate"), "create"),
    ],
)
def test_wrong_options_are_explained_with_exit_code_2(words, said) -> None:
    result = CliRunner().invoke(main, list(words))

    assert 2 == result.exit_code
    assert said in result.stderr


def test_the_list_of_commands_is_there_at_once() -> None:
    """Nothing is imported for it that most commands need."""
    asked = "import sys; from gateway.cli import main; main(['-h'], standalone_mode=False)"
    told = subprocess.run(
        [sys.executable, "-c", f"{asked}; print(sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    ).stdout

    assert all(re.search(rf"^  {name}  +[A-Z].*\.$", told, re.MULTILINE) for name in COMMANDS)
    assert "'gateway.cli'" in told
    assert "'gateway.cli.money'" not in told
    assert "'aiohttp'" not in told


def every_command(group: click.Group = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path}{name} ")


@pytest.mark.parametrize(("path", "command"), list(every_command()))
def test_help_explains_every_command_and_option(path, command) -> None:
    result = CliRunner().invoke(main, [*path.split(), "--help"])

    assert 0 == result.exit_code
    assert command.get_short_help_str().endswith((".", "..."))
    silent = [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert [] == silent


@pytest.mark.parametrize("answers", [False, True], ids=["nobody listens", "nobody answers"])
async def test_a_store_that_is_away_is_told_and_not_waited_for(tmp_path, answers) -> None:
    """Either nobody listens at the address, or somebody who never says anything."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if answers:
            silent.listen()
        config = write_config(
            tmp_path,
            store_url=f"redis://127.0.0.1:{silent.getsockname()[1]}",
            provider_url="http://127.0.0.1:9",
        )
        ran = await tollkeeper("balance", "acme", "--config", str(config))

    assert ran.refusal().startswith("The ledger is not available")


async def test_a_configuration_that_is_not_there_is_one_line(tmp_path) -> None:
    ran = await tollkeeper("accounts", "list", cwd=tmp_path)

    assert "config/gateway.yaml" in ran.refusal()


async def test_a_suspended_account_is_refused_within_a_second(tmp_path, store_url) -> None:
    async with running_gateway(tmp_path, store_url) as gateway:
        assert 200 == await answered(gateway, gateway.key)
        config = tmp_path / "gateway.yaml"
        await here("accounts", "set", "acme", "--status", "suspended", config=config)
        await until(403, gateway, gateway.key, within_s=1)
        await here("accounts", "set", "acme", "--status", "active", config=config)
        await until(200, gateway, gateway.key, within_s=1)
