"""An account's own endpoint, where notices are posted."""

from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError
from support.contract_servers.base import ContractServer


class Receiver(ContractServer):
    """An endpoint that verifies with the reference library. Knows one secret at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = ""
        self.gone = False
        self.forged = 0
        self.heard: list[tuple[str, dict[str, Any]]] = []

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self.gone:
            return web.Response(status=410)
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        self.heard.append((request.headers["webhook-id"], orjson.loads(body)))
        return web.Response(status=204)

    def types(self) -> list[str]:
        return [document["type"] for _, document in self.heard]
