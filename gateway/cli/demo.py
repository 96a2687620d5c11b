"""`tollkeeper demo`: the whole product on one machine, with a provider that is only simulated.

It writes an ordinary configuration and starts the ordinary gateway; only the provider behind it
is ours. What it prints about each call it reads from the gateway's own log, as anyone could.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import orjson
import uvloop

from gateway.app import Gateway, Inherited, store_address
from gateway.cli.keys import issue
from gateway.cli.output import credit_text
from gateway.cli.session import Session, errors_as_exits, read_settings
from gateway.errors import ConfigError
from gateway.metering.accounts import Account, VirtualKey
from gateway.metering.ledger import Grant
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.simulator.provider import SimulatedProvider
from gateway.simulator.script import Script
from gateway.telemetry.logs import Log

ACCOUNT = "demo"
CREDITS = 100
MODEL = "gpt-4.1-mini"

CONFIG = """\
# Written by `tollkeeper demo` at each start.
listen: {{host: 127.0.0.1, port: {port}}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
store: {{data_dir: {data_dir}}}
providers:
  simulated: {{base_url: "http://127.0.0.1:{provider_port}", credential: file:provider.key}}
models:
  - {{match: "gpt-4.1*", provider: simulated}}
prices: [prices.yaml]
plans:
  demo:
    enforcement: rolling
    limits:
      - {{unit: requests, per: minute, ceiling: 600}}
      - {{unit: tokens, per: minute, ceiling: 1000000}}
      - {{unit: calls, ceiling: 50}}
"""
PRICES = """\
# US dollars per million tokens, as the provider publishes them. 1 credit = US$0.01.
version: demo-2026-11-23
effective_from: 2026-11-23
source: https://openai.com/api/pricing
checked: 2026-11-23
models:
  gpt-4.1:
    {input: "2.00", cache_read: "0.50", output: "8.00", context_tokens: 1047576,
     max_output_tokens: 32768}
  gpt-4.1-mini:
    {input: "0.40", cache_read: "0.10", output: "1.60", context_tokens: 1047576,
     max_output_tokens: 32768}
"""
WELCOME = """
Tollkeeper is running, in front of a simulated provider. Nothing leaves this machine.

  Base URL   {base_url}
  Key        {key}   (only shown now; the account {account!r} has {available} credits)
  Metrics    http://127.0.0.1:{admin_port}/metrics

Try it:

  curl {base_url}/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "{model}", "stream": true,
         "messages": [{{"role": "user", "content": "Tell me about toll roads"}}]}}'

Or with the OpenAI SDK:

  from openai import OpenAI
  client = OpenAI(base_url="{base_url}", api_key="{key}")
  print(client.chat.completions.create(
      model="{model}", messages=[{{"role": "user", "content": "Hello"}}]
  ).choices[0].message.content)

In another terminal:

  tollkeeper balance {account} --config {config}

Each call's charge appears below. Ctrl-C ends it.
"""


@click.command()
@click.option("--port", default=8080, show_default=True, help="Where the gateway listens.")
@click.option("--admin-port", default=9090, show_default=True, help="Health and metrics.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tollkeeper-demo"),
    show_default=True,
    help="Configuration and ledger; delete it to start over.",
)
@click.option("--delay-ms", default=20, show_default=True, help="The simulated model's pace.")
def demo(port: int, admin_port: int, data_dir: Path, delay_ms: int) -> None:
    """Try it: a gateway, a simulated provider, an account with credit and a key."""
    with errors_as_exits():
        uvloop.run(_demo(port, admin_port, data_dir.resolve(), delay_ms=delay_ms))


async def _demo(port: int, admin_port: int, data_dir: Path, *, delay_ms: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    provider = SimulatedProvider(script=Script(delay_ms=delay_ms))
    try:
        provider_port = await provider.start()
        config = _write_config(port, admin_port, data_dir, provider_port=provider_port)
        settings = read_settings(config)
        with store_address(settings) as address:
            await _run(Inherited.prepare(settings, address), config, stop)
    finally:
        await provider.stop()


async def _run(inherited: Inherited, config: Path, stop: asyncio.Event) -> None:
    listen = inherited.settings.listen
    async with _call_log() as (log, lines):
        gateway = Gateway(inherited, worker_index=0, log=log)
        try:
            await gateway.start()
            session = Session(inherited.settings, gateway.stores, inherited.address.pepper)
            key = await _account_with_key(session)
            balance = await gateway.stores.ledger.balance(ACCOUNT)
            click.echo(
                WELCOME.format(
                    base_url=f"http://{listen.host}:{listen.port}/v1",
                    key=key,
                    account=ACCOUNT,
                    available=credit_text(balance.available_ucr),
                    admin_port=inherited.settings.admin.port,
                    model=MODEL,
                    config=config,
                )
            )
            telling = asyncio.gather(_tell(lines, session), return_exceptions=True)
            await stop.wait()
            telling.cancel()
            await gateway.drain()
        except OSError as error:
            raise ConfigError(
                f"Cannot listen on port {listen.port}: {error.strerror}. Choose others with --port "
                "and --admin-port."
            ) from error
        finally:
            await gateway.close()


def _write_config(port: int, admin_port: int, data_dir: Path, *, provider_port: int) -> Path:
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "gateway.yaml"
    config.write_text(
        CONFIG.format(
            port=port,
            admin_port=admin_port,
            provider_port=provider_port,
            data_dir=orjson.dumps(str(data_dir)).decode(),
        )
    )
    (data_dir / "prices.yaml").write_text(PRICES)
    (data_dir / "provider.key").write_text("simulated")
    return config


async def _account_with_key(session: Session) -> str:
    """The demo's account, its credit granted once, and a new key."""
    stores = session.stores
    if await stores.keys.account(ACCOUNT) is None:
        await stores.keys.put_account(Account(account_id=ACCOUNT, plan="demo", name="Demo"))
    await stores.ledger.grant(
        Grant(
            grant_id="welcome",
            account_id=ACCOUNT,
            amount_ucr=CREDITS * UCR_PER_CREDIT,
            note="to try it out",
        )
    )
    template = VirtualKey(key_id="", account_id=ACCOUNT, digest="", name="demo")
    _, presented = await issue(session, template)
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
    """Print a line for each call as the log tells of it."""
    while line := await lines.readline():
        facts = orjson.loads(line)
        if facts["event"] == "refusal":
            click.echo(f"  {facts['status']} {facts['reason']}")
        elif facts["event"] == "call" and facts["end"]:
            balance = await session.stores.ledger.balance(ACCOUNT)
            click.echo(
                f"  {facts['model']}: {facts['input_tokens']} in + {facts['output_tokens']} out "
                f"tokens ({facts['provenance']}), {facts['end']}: "
                f"{credit_text(facts['cost_ucr'])} credits; "
                f"{credit_text(balance.available_ucr)} left"
            )
