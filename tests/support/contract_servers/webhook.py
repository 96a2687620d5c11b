"""A receiver of Standard Webhooks that verifies with the reference library and keeps each
record once."""

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError
from support.contract_servers.base import ContractServer


class WebhookServer(ContractServer):
    """`secret`: the one this receiver knows, whsec_…; `gone`: answers 410."""

    def __init__(self, secret: str, *, gone: bool = False, location: str = "") -> None:
        super().__init__()
        self.secret = secret
        self.gone = gone
        self.location = location
        self.forged = 0
        self.messages: list[str] = []
        self.events: dict[str, dict] = {}

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self.gone:
            return web.Response(status=410)
        if self.location:
            return web.Response(status=307, headers={"Location": self.location})
        try:
            content = Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        assert content == orjson.loads(body)
        self.messages.append(request.headers["webhook-id"])
        for event in content["data"]["records"]:
            self.events.setdefault(event["id"], event)
        return web.Response(status=204)

    def total(self, name: str = "charge_microcredits") -> int:
        return sum(event["data"][name] for event in self.events.values())
