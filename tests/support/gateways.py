"""Gateways for tests: in this process, started as production starts them, or as a process."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from gateway.access.services import ServiceScope
from gateway.app.gateway import Gateway
from gateway.app.inherited import Inherited
from gateway.app.listening import open_sockets
from gateway.app.stores import StoreAddress
from gateway.cli.session import Session
from gateway.errors import StoreUnavailable
from gateway.metering.accounts import Account, VirtualKey
from gateway.metering.balance import Balance
from gateway.metering.events import usage_in
from gateway.metering.journal import Entry
from gateway.metering.ledger import Grant
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.metering.receipt import LineKind, receipt_lines
from gateway.settings import load
from gateway.simulator.bedrock import IDENTITY
from gateway.simulator.provider import SimulatedProvider
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.stored_settle import event_of
from gateway.telemetry.logs import Log

PEPPER = "a-pepper-for-tests-long-enough-to-be-accepted"
PROVIDER_CREDENTIAL = "sk-provider-secret-canary"
SERVICE_KEY = "ts_service-key-for-tests-long-enough-0001"
SECRETS = {
    "TEST_PEPPER": PEPPER,
    "TEST_CREDENTIAL": PROVIDER_CREDENTIAL,
    "TEST_SERVICE_KEY": SERVICE_KEY,
    "TEST_AWS_KEY_ID": IDENTITY.access_key_id,
    "TEST_AWS_SECRET": IDENTITY.secret_access_key,
}
# How a gateway is known to the simulated Bedrock, in place of `credential` and `auth`.
SIGNED = (
    "auth: aws-sigv4, aws: {region: us-east-1, access_key_id: env:TEST_AWS_KEY_ID, "
    "secret_access_key: env:TEST_AWS_SECRET}"
)
ALL_SCOPES = ", ".join(ServiceScope)
MODEL = "gpt-4.1-mini"
ACCOUNT = "acme"
# 0.40 and 1.60 US$ per million tokens: 40 and 160 µcr per token.
INPUT_UCR, OUTPUT_UCR = 40, 160

# Until a process is ready, on a machine that is busy with others.
START_S = 40

CONFIG = """\
listen: {{host: 127.0.0.1, port: {port}, workers: {workers}, drain_s: {drain_s},
          head_timeout_s: {head_s}, body_timeout_s: {body_s}, calls_max: {calls_max},
          loop_lag_max_ms: {loop_lag_max_ms}}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
store: {{url: "{store_url}", data_dir: {data_dir}, pepper: env:TEST_PEPPER,
         admission_timeout_ms: {admission_ms}}}
metering: {{lease_s: {lease_s}, checkpoint_s: {checkpoint_s}, job_poll_s: {job_poll_s}}}
providers:
  simulated: {{base_url: "{provider_url}", {known_by},
               apis: {apis}, stored_objects: {stored_objects},
               first_byte_timeout_s: {first_byte_s}, idle_timeout_s: {idle_s}}}
{providers}models:
  - {{match: fast, provider: simulated, upstream_model: gpt-4.1-mini}}
{more_models}\
  - {{match: talk, provider: simulated, upstream_model: gpt-realtime}}
  - {{match: "gpt-*", provider: simulated}}
  - {{match: "whisper-*", provider: simulated}}
encodings: [{{match: "*", encoding: o200k_base}}]
services: [{{id: tests, secret: env:TEST_SERVICE_KEY, scopes: [{scopes}]}}]
prices: [prices.yaml]
plans: {{test: {plan}}}
{more}
"""
PRICES = """\
version: test
effective_from: 2026-11-23
source: tests
checked: 2026-11-23
models:
  gpt-4.1-mini: {input: "0.40", output: "1.60", context_tokens: 100000, max_output_tokens: 32768}
  gpt-realtime: {input: "4", input_audio: "32", output: "16", output_audio: "64",
                 context_tokens: 32000, max_output_tokens: 4096}
  gpt-4o-transcribe: {input: "2.5", input_audio: "6", output: "10", max_output_tokens: 2000}
  whisper-1: {pieces: {audio_second: "0.0001"}}
  gpt-trained: {input: "0.40", output: "1.60", pieces: {trained_token: "0.000005"}}
  gpt-tiered:
    {input: "0.40", output: "1.60", context_tokens: 100000, max_output_tokens: 32768,
     tiers: [{above_input_tokens: 100, input: "0.80", output: "3.20"}]}
  gpt-pictures: {pieces: {image: "0.04"}}
"""


@dataclass
class Lines:
    """The gateway's log, as it is written."""

    path: Path

    def calls(self) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] in ("call", "refusal")]

    def all(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]

    def text(self) -> str:
        return self.path.read_text()


async def scraped(http: aiohttp.ClientSession, admin_port: int, pattern: str) -> float:
    """The sum of all series that this regular expression finds."""
    async with http.get(f"http://127.0.0.1:{admin_port}/metrics") as answer:
        page = await answer.text()
    return sum(float(value) for value in re.findall(pattern + r" ([0-9.e+]+)", page))


def post_chat(
    http: aiohttp.ClientSession, base_url: str, *, headers: dict[str, str], **body: Any
) -> Any:
    """A chat completion request; what the body does not say is made up."""
    body.setdefault("model", MODEL)
    body.setdefault("messages", [{"role": "user", "content": "Tell me about toll roads."}])
    return http.post(f"{base_url}/chat/completions", json=body, headers=headers)


@dataclass
class TestGateway:
    """A gateway in this process, its provider and an account with a key."""

    __test__ = False

    gateway: Gateway
    provider: SimulatedProvider
    session: Session
    key: str
    http: aiohttp.ClientSession
    lines: Lines
    account: str = ACCOUNT

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def provider_url(self) -> str:
        """What an SDK is set to that talks to the provider itself."""
        return f"{self.gateway._settings.providers['simulated'].base_url}/v1"

    @property
    def ledger(self) -> RedisLedger:
        return self.session.stores.ledger

    def chat(
        self, *, simulate: str = "", headers: dict[str, str] | None = None, **body: Any
    ) -> Any:
        """A chat completion request; a context manager like aiohttp's `post`."""
        sent = {"Authorization": f"Bearer {self.key}"} | (headers or {})
        if simulate:
            sent["x-simulate"] = simulate
        return post_chat(self.http, self.base_url, headers=sent, **body)

    async def metric(self, pattern: str) -> float:
        return await scraped(self.http, self.gateway.admin_port, pattern)

    async def balance(self) -> Balance:
        return await self.ledger.balance(self.account)

    async def settled(self, *, charged: Callable[[int], bool] = lambda _ucr: True) -> Balance:
        """The balance once no call is held any more."""
        async with asyncio.timeout(30):
            while True:
                # A store that is just coming back does not answer yet.
                with contextlib.suppress(StoreUnavailable):
                    found = await self.balance()
                    if not found.live_holds and charged(found.charged_ucr):
                        return found
                await asyncio.sleep(0.01)

    async def assert_books_balance(self) -> Balance:
        """Σ usage events = Σ charges = grants - balance; nothing held; nothing negative."""
        found = await self.settled()
        events = [
            event
            for event in await self.ledger.events(self.account)
            if event.kind in ("settled", "late", "expired")
        ]
        remaining = sum(grant.remaining_ucr for grant in found.grants)
        assert found.charged_ucr == sum(event.amount_ucr for event in events)
        spent = found.granted_ucr - remaining - found.voided_ucr
        spent += found.debt_ucr + found.observed_ucr
        assert found.charged_ucr + found.corrected_ucr == spent
        assert 0 == found.held_ucr
        assert all(grant.remaining_ucr >= 0 for grant in found.grants)
        self._assert_receipts_explain(events)
        return found

    def _assert_receipts_explain(self, events: Sequence[Entry]) -> None:
        """Of each call that is charged by its usage, classes times rates is the charge, exactly."""
        prices = {each.rate_id: each for each in self.gateway._settings.rate_card.lines}
        for event in events:
            told = event.event or {}
            if event.kind != "settled" or told.get("provenance") not in ("reported", "counted"):
                continue
            price = prices.get(str(told.get("rate_id")))
            if price is None:
                # Of a gateway with another card.
                continue
            lines = receipt_lines(price, usage_in(told), charge_ucr=event.amount_ucr)
            assert event.amount_ucr == sum(line.amount_ucr for line in lines)
            assert LineKind.UNITEMISED not in {line.kind for line in lines}, (told, lines)

    async def events(self) -> list[dict[str, Any]]:
        """The usage events of all settlements, oldest first; whole, zeros and all."""
        return [
            orjson.loads(orjson.dumps(event_of(stored.event)))
            for stored in await self.ledger.events(self.account)
            if stored.charges
        ]


def write_config(
    folder: Path,
    *,
    store_url: str,
    provider_url: str,
    port: int = 0,
    admin_port: int = 0,
    workers: int = 1,
    plan: str = "{enforcement: rolling}",
    lease_s: float = 30,
    checkpoint_s: float = 0.5,
    job_poll_s: float = 3600,
    drain_s: float = 5,
    first_byte_s: float = 30,
    idle_s: float = 30,
    admission_ms: int = 3000,
    scopes: str = ALL_SCOPES,
    head_s: float = 10,
    body_s: float = 60,
    calls_max: int = 4096,
    # The machine's other work must refuse nobody.
    loop_lag_max_ms: int | str = "null",
    auth: str = "bearer",
    signed: bool = False,
    apis: str = "[openai]",
    stored_objects: str = "by_account",
    sells: Mapping[str, str] | None = None,
    priced: Mapping[str, str] | None = None,
    more: str = "",
    routes: str = "",
    providers: str = "",
) -> Path:
    """A complete configuration in `folder`, as an operator would write it.

    Patient by default: only tests of time-outs should depend on how busy the machine is. `sells`:
    further models that the provider has, with their lines of the price list; `priced`: those of
    models that other providers have; `routes`: lines of
    `models` before all others; `providers`: lines of other providers; `more`: further
    lines of the main file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "gateway.yaml"
    config.write_text(
        CONFIG.format(
            store_url=store_url,
            provider_url=provider_url,
            port=port,
            admin_port=admin_port,
            workers=workers,
            plan=plan,
            lease_s=lease_s,
            checkpoint_s=checkpoint_s,
            job_poll_s=job_poll_s,
            drain_s=drain_s,
            first_byte_s=first_byte_s,
            idle_s=idle_s,
            admission_ms=admission_ms,
            scopes=scopes,
            head_s=head_s,
            body_s=body_s,
            calls_max=calls_max,
            loop_lag_max_ms=loop_lag_max_ms,
            known_by=SIGNED if signed else f"credential: env:TEST_CREDENTIAL, auth: {auth}",
            more=more,
            providers=providers,
            apis=apis,
            stored_objects=stored_objects,
            data_dir=orjson.dumps(str(folder / "data")).decode(),
            more_models=routes
            + "".join(f'  - {{match: "{model}", provider: simulated}}\n' for model in sells or {}),
        )
    )
    listed = {**(sells or {}), **(priced or {})}
    lines = "".join(f"  {model}: {line}\n" for model, line in listed.items())
    (folder / "prices.yaml").write_text(PRICES + lines)
    return config


@asynccontextmanager
async def running_gateway(
    folder: Path,
    store_url: str,
    *,
    credit: float = 100,
    provider: SimulatedProvider | None = None,
    provider_url: str | None = None,
    **options: Any,
) -> AsyncIterator[TestGateway]:
    """A gateway with a simulated provider behind it, or whatever is at `provider_url`, and an
    account with `credit` credits."""
    provider = provider or SimulatedProvider()
    simulated_url = f"http://127.0.0.1:{await provider.start()}"
    config = write_config(
        folder,
        # With a password in it, it is a secret.
        store_url="env:TEST_STORE_URL" if "@" in store_url else store_url,
        provider_url=provider_url or simulated_url,
        **options,
    )
    settings = load(config, SECRETS | {"TEST_STORE_URL": store_url})
    address = StoreAddress(store_url, PEPPER.encode())
    log_path = folder / "log.jsonl"
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = Log(descriptor)
    log.start()
    gateway = Gateway(
        Inherited.prepare(settings, address), open_sockets(settings), worker_index=0, log=log
    )
    try:
        await gateway.start()
        session = Session(settings, gateway.stores, address.pepper)
        granted_ucr = round(credit * UCR_PER_CREDIT)
        key = await account_with_key(session, granted_ucr=granted_ucr)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        ) as http:
            yield TestGateway(
                gateway=gateway,
                provider=provider,
                session=session,
                key=key,
                http=http,
                lines=Lines(log_path),
            )
        await gateway.drain()
    finally:
        await gateway.close()
        log.close()
        os.close(descriptor)
        await provider.stop()


async def account_with_key(
    session: Session, *, granted_ucr: int, account: str = ACCOUNT, plan: str = "test"
) -> str:
    stores = session.stores
    await stores.keys.put_account(Account(account_id=account, plan=plan))
    if granted_ucr:
        await stores.ledger.grant(
            Grant(grant_id=f"g{secrets.token_hex(4)}", account_id=account, amount_ucr=granted_ucr)
        )
    template = VirtualKey(key_id="", account_id=account, digest="", name="test")
    return (await session.issuing.issue(template))[1]


@dataclass
class GatewayProcess:
    """`tollkeeper serve` as a process of its own."""

    config: Path
    port: int
    admin_port: int
    log_path: Path
    process: asyncio.subprocess.Process | None = None
    environ: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    package_root: Path | None = None
    """Where the package to be run lies, if it is not this one."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        """Start and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway",
                "serve",
                "--config",
                str(self.config),
                stdout=log,
                stderr=log,
                env=os.environ | self.environ,
                cwd=self.package_root,
                start_new_session=True,
            )
        # A connection that a dying process had accepted may never be answered.
        patience = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=patience) as http, asyncio.timeout(START_S):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self.admin_port}/readyz") as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    assert self.process.returncode is None, self.log_path.read_text()
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the supervisor and all its workers at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(30):
            return await self.process.wait()

    def lines(self) -> Lines:
        return Lines(self.log_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def gateway_process(
    folder: Path,
    store_url: str,
    provider_url: str,
    *,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[GatewayProcess]:
    port, admin_port = free_port(), free_port()
    config = write_config(
        folder,
        store_url=store_url,
        provider_url=provider_url,
        port=port,
        admin_port=admin_port,
        **options,
    )
    gateway = GatewayProcess(config, port, admin_port, folder / "process.log")
    gateway.environ |= environ or {}
    await gateway.start()
    try:
        yield gateway
    finally:
        if gateway.process is not None and gateway.process.returncode is None:
            gateway.kill()
            await gateway.process.wait()


@dataclass
class Client:
    """Calls of one key against one gateway process."""

    gateway: GatewayProcess
    key: str
    http: aiohttp.ClientSession

    def chat(self, simulate: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "x-simulate": simulate}
        return post_chat(self.http, self.gateway.base_url, headers=headers, **body)

    async def status(self, simulate: str) -> int:
        async with self.chat(simulate) as answer:
            await answer.read()
            return int(answer.status)

    async def metric(self, pattern: str) -> float:
        return await scraped(self.http, self.gateway.admin_port, pattern)


@dataclass
class Pair:
    """A process that something happens to, and a gateway on the same store that looks on."""

    other: TestGateway
    process: GatewayProcess
    provider: SimulatedProvider
    client: Client

    async def hold_resolved(self, *, within_s: float) -> None:
        """Wait until nothing is held any more: the other gateway ended what the process held."""
        async with asyncio.timeout(within_s):
            while (await self.other.balance()).live_holds:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def gateway_pair(folder: Path, store_url: str, **options: Any) -> AsyncIterator[Pair]:
    """`options` are the process's. The account has 100 credits; the provider is the process's."""
    provider = SimulatedProvider()
    provider_url = f"http://127.0.0.1:{await provider.start()}"
    try:
        async with (
            running_gateway(folder / "other", store_url, credit=0) as other,
            gateway_process(folder / "process", store_url, provider_url, **options) as process,
            aiohttp.ClientSession() as http,
        ):
            key = await account_with_key(other.session, granted_ucr=100 * UCR_PER_CREDIT)
            yield Pair(other, process, provider, Client(process, key, http))
    finally:
        await provider.stop()
