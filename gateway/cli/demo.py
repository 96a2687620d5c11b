"""`tollkeeper demo`: the whole product on one machine, with a provider that is only simulated.

It writes an ordinary configuration and starts the ordinary gateway; only the provider behind it
is ours. What it prints about each call it reads from the gateway's own log, as anyone could.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click
import orjson
import uvloop

from gateway.access.issuing import Issuing
from gateway.app.gateway import Gateway
from gateway.app.inherited import Inherited
from gateway.app.listening import open_sockets
from gateway.app.stores import StoreAddress, open_history, open_stores, store_address
from gateway.cli.demo_files import keep_key, kept_key, operator_key, write_config
from gateway.cli.demo_history import simulate_month
from gateway.cli.output import credit_text
from gateway.cli.session import Session, errors_as_exits, read_settings
from gateway.errors import ConfigError, GatewayError
from gateway.metering.accounts import Account, Status, VirtualKey, digest
from gateway.settings import Settings
from gateway.simulator.provider import SimulatedProvider
from gateway.simulator.script import Script
from gateway.tasks import TaskSet
from gateway.telemetry.logs import Log

ACCOUNT = "demo"
MODEL = "gpt-4.1-mini"
HOST = "127.0.0.1"
PATIENT_MS = 10_000

WELCOME = """\
Tollkeeper is running, in front of a simulated provider. Nothing leaves this machine.

  Dashboard  {dashboard}
             (sign in with the key; the month it shows is simulated)
  Base URL   {base_url}
  Key        {key}
  Operator   {operator_dashboard}
             (sign in with {operator_key})
  Credit     {available} credits in the account {account!r}; 1 credit = US$0.01
  Metrics    http://{host}:{admin_port}/metrics

Try it, in another terminal (without "stream" the answer comes in one piece):

  curl -N {base_url}/chat/completions \\
    -H "Authorization: Bearer {key}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "{model}", "stream": true,
         "messages": [{{"role": "user", "content": "Tell me about toll roads"}}]}}'

Or in Python, with the official SDK (pip install openai):

  from openai import OpenAI
  client = OpenAI(base_url="{base_url}", api_key="{key}")
  answer = client.chat.completions.create(
      model="{model}", messages=[{{"role": "user", "content": "Hello"}}]
  )
  print(answer.choices[0].message.content)

What is left, and where it went:

  {command} balance {account} --config {config}
  {command} usage {account} --config {config}

Each call appears below with what it cost. Ctrl-C ends the demo and keeps the balance.

  time      model         tokens in   out  counted by  end               credits        left"""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Where the gateway listens; 0 lets the system choose.",
)
@click.option(
    "--admin-port",
    type=click.IntRange(0, 65535),
    default=9090,
    show_default=True,
    help="Health and metrics; 0 lets the system choose.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tollkeeper-demo"),
    show_default=True,
    help="Configuration and ledger; delete it to start over.",
)
@click.option(
    "--delay-ms",
    type=click.IntRange(0, 60_000),
    default=20,
    show_default=True,
    help="The simulated model's pace, for each token.",
)
def demo(port: int, admin_port: int, data_dir: Path, delay_ms: int) -> None:
    """Try it, with a simulated provider and some credit.

    Prints a key, a curl line and a Python snippet to paste, and then what each call cost.
    """
    with errors_as_exits():
        _refuse_taken(port, "--port")
        _refuse_taken(admin_port, "--admin-port")
        uvloop.run(_demo(port, admin_port, data_dir, delay_ms=delay_ms))
    click.echo(f"\nEnded. The balance is kept in {data_dir}; start again to go on.")


def _refuse_taken(port: int, option: str) -> None:
    """Asked without SO_REUSEPORT, which would let two gateways share the port unnoticed."""
    with socket.socket() as probe:
        # Connections of an earlier run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"Cannot listen on port {port}: {error.strerror}. Choose another with {option}."
            ) from error


async def _demo(port: int, admin_port: int, data_dir: Path, *, delay_ms: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    provider = SimulatedProvider(script=Script(delay_ms=delay_ms))
    try:
        provider_port = await provider.start()
        config = write_config(port, admin_port, data_dir, provider_port=provider_port)
        settings = read_settings(config)
        with store_address(settings) as address:
            await _account_with_a_month(settings, address)
            await _run(Inherited.prepare(settings, address), config, stop)
    finally:
        await provider.stop()


async def _run(inherited: Inherited, config: Path, stop: asyncio.Event) -> None:
    telling = TaskSet()
    async with _call_log() as (log, lines):
        sockets = open_sockets(inherited.settings)
        gateway = Gateway(inherited, sockets, worker_index=0, log=log)
        try:
            await gateway.start()
            session = Session(inherited.settings, gateway.stores, inherited.address.pepper)
            key = await _account_key(session, config.parent)
            await _welcome(gateway, key, config)
            telling.start(_tell(lines, session), name="tell of calls")
            await stop.wait()
            await gateway.drain()
        finally:
            await telling.cancel()
            await gateway.close()


async def _welcome(gateway: Gateway, key: str, config: Path) -> None:
    balance = await gateway.stores.ledger.balance(ACCOUNT)
    click.echo(
        WELCOME.format(
            dashboard=f"http://{HOST}:{gateway.port}/dashboard",
            operator_dashboard=f"http://{HOST}:{gateway.admin_port}/dashboard",
            operator_key=operator_key(config.parent),
            base_url=f"http://{HOST}:{gateway.port}/v1",
            host=HOST,
            admin_port=gateway.admin_port,
            key=key,
            account=ACCOUNT,
            available=credit_text(balance.available_ucr),
            model=MODEL,
            command=_command(),
            config=config,
        )
    )


def _command() -> str:
    """How to call us from the shell that called us."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m gateway"
    return called.name if shutil.which(called.name) else str(called)


async def _account_with_a_month(settings: Settings, address: StoreAddress) -> None:
    """The demo's account, made once, with a month behind it."""
    # Nobody waits for an admission yet.
    patient = replace(settings, store=replace(settings.store, admission_timeout_ms=PATIENT_MS))
    async with open_stores(patient, address) as stores, open_history(settings) as history:
        if await stores.keys.account(ACCOUNT) is not None:
            return
        await stores.keys.put_account(
            Account(account_id=ACCOUNT, plan="demo", name="Demo, simulated")
        )
        await simulate_month(
            ACCOUNT,
            stores=stores,
            history=history,
            issuing=Issuing(stores.keys, pepper=address.pepper),
            rate_card=settings.rate_card,
        )


async def _account_key(session: Session, data_dir: Path) -> str:
    """The key to try it with: the one of the last run, if any."""
    stores = session.stores
    kept = kept_key(data_dir)
    if kept is not None:
        record = await stores.keys.find(digest(session.pepper, kept))
        if record is not None and record.key.status is Status.ACTIVE:
            return kept
    template = VirtualKey(
        key_id="",
        account_id=ACCOUNT,
        digest="",
        name="demo",
        manages=True,
        created_ms=stores.ledger.now_ms(),
    )
    _, presented = await session.issuing.issue(template)
    keep_key(data_dir, presented)
    return presented


@asynccontextmanager
async def _call_log() -> AsyncIterator[tuple[Log, asyncio.StreamReader]]:
    """A log whose lines come back to us through a pipe."""
    read_end, write_end = os.pipe()
    lines = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(read_end, "rb")
    )
    log = Log(write_end)
    log.start()
    try:
        yield log, lines
    finally:
        log.close()
        transport.close()
        os.close(write_end)


async def _tell(lines: asyncio.StreamReader, session: Session) -> None:
    """Print a line for each call, and for what an operator would have to know."""
    while line := await lines.readline():
        facts = orjson.loads(line)
        # The log's clock is UTC; people look at their own.
        at = datetime.fromisoformat(facts["time"]).astimezone().strftime("%H:%M:%S")
        match facts["event"]:
            case "refusal":
                click.echo(f"  {at}  refused: {facts['status']} {facts['reason']}")
            case "call" if facts["end"]:
                click.echo(f"  {at}  {_charged(facts)}  {await _left(session):>10}")
            case "call":
                click.echo(f"  {at}  not charged: the provider answered {facts['status']}")
            case event if facts["level"] != "info":
                click.echo(f"  {at}  {event}")


def _charged(facts: Mapping[str, object]) -> str:
    cost_ucr = facts["cost_ucr"]
    assert isinstance(cost_ucr, int)
    return (
        f"{facts['model']:<12}  {facts['input_tokens']:>9} {facts['output_tokens']:>5}  "
        f"{WHO[str(facts['provenance'])]:<10}  {facts['end']:<14} {credit_text(cost_ucr):>10}"
    )


WHO = {"reported": "provider", "counted": "us", "held": "nobody"}


async def _left(session: Session) -> str:
    """What the account has, with what running calls hold of it."""
    try:
        balance = await session.stores.ledger.balance(ACCOUNT)
    except GatewayError:
        return "unknown"
    return credit_text(balance.available_ucr + balance.held_ucr)
