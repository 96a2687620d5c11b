"""Signing in and out, for the dashboards: what a session may do is what its key may do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field

from gateway.access.services import Service, ServiceScope
from gateway.access.sessions import LIVES_MS, Session
from gateway.api import browser
from gateway.api.key import KeyReply, key_reply
from gateway.api.operation import Asked, Audience, Headed, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Body, Moment, Query, Reply, moment
from gateway.errors import Forbidden, NotFound, QuotaExceeded, Unauthenticated
from gateway.metering.changes import DONE, Change

# The cookie goes nowhere else: not to the data plane, and so never to a provider.
COOKIE_PATH = "/metering/v1"


class SignIn(Body):
    key: Annotated[str, Field(min_length=1, max_length=256)]
    """A virtual key; on the admin listener a service key with the scope `admin`."""


class _SessionFrame(Reply):
    guard: str
    """Goes into the header X-Tollkeeper-Guard of each request that changes something."""
    ends_at: Moment
    """At the latest; with the key, if that ends before."""


class SessionReply(_SessionFrame):
    """Who is signed in. The session itself is in a cookie that scripts cannot read."""

    key: KeyReply


class OperatorReply(_SessionFrame):
    """Which operator is signed in."""

    service_id: str


def operations(resources: Resources) -> Sequence[Operation]:
    """For the holders of virtual keys."""
    signing = _Signing(resources, cookie=browser.COOKIE, operator=False)
    return _operations(signing, partial(Operation, audience=Audience.KEY), SessionReply)


def admin_operations(resources: Resources) -> Sequence[Operation]:
    """For operators, on the admin listener."""
    signing = _Signing(resources, cookie=browser.OPERATOR_COOKIE, operator=True)
    mine = partial(Operation, audience=Audience.ADMIN, scope=ServiceScope.ADMIN)
    return _operations(signing, mine, OperatorReply)


def _operations(
    signing: "_Signing", mine: Callable[..., Operation], answer: type[Reply]
) -> Sequence[Operation]:
    return (
        Operation(
            method="POST",
            path="/session",
            name="signIn",
            summary="Sign in with a key, in a browser: the answer sets a cookie",
            tag="Session",
            audience=Audience.ANYBODY,
            body=SignIn,
            handler=signing.sign_in,
            answer=answer,
            status=201,
            errors=(Unauthenticated, Forbidden, QuotaExceeded),
        ),
        mine(
            method="GET",
            path="/session",
            name="getSession",
            summary="Who is signed in here",
            tag="Session",
            handler=signing.get,
            answer=answer,
            errors=(NotFound,),
        ),
        mine(
            method="DELETE",
            path="/session",
            name="signOut",
            summary="Sign out",
            tag="Session",
            handler=signing.sign_out,
            status=204,
            errors=(NotFound,),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Signing:
    resources: Resources
    cookie: str
    operator: bool

    async def sign_in(self, asked: Asked[Query]) -> Headed:
        assert isinstance(asked.body, SignIn)
        browser.check_own_site(asked.headers)
        try:
            opened = await self.resources.sessions.sign_in(
                asked.body.key.strip(),
                address=asked.address,
                now_ms=self.resources.ledger.now_ms(),
                operator=self.operator,
            )
        except Unauthenticated as error:
            await self._note(asked.address, actor="", outcome=error.code)
            raise
        if isinstance(opened.who, Service):
            await self._note(asked.address, actor=f"service:{opened.who.service_id}", outcome=DONE)
        return Headed(_told(opened), {"Set-Cookie": self._cookie(asked, opened.token, LIVES_MS)})

    async def get(self, asked: Asked[Query]) -> Reply:
        return _told(_session(asked))

    async def sign_out(self, asked: Asked[Query]) -> Headed:
        await self.resources.sessions.sign_out(_session(asked))
        return Headed(None, {"Set-Cookie": self._cookie(asked, "", 0)})

    async def _note(self, address: str, *, actor: str, outcome: str) -> None:
        """Operators' signing in, and whoever tries to, stands in the audit trail. Nobody fills it
        in a hurry: an address that fails too often is refused without a note."""
        if not self.operator:
            return
        change = Change(action="signIn", actor=actor, via="admin", address=address, outcome=outcome)
        await self.resources.trail.end(await self.resources.trail.begin(change), change)
        self.resources.oversight.on_change(change)

    def _cookie(self, asked: Asked[Query], token: str, lives_ms: int) -> str:
        return browser.cookie(
            self.cookie,
            token,
            path=COOKIE_PATH,
            lives_s=lives_ms // 1000,
            secure=browser.came_by_https(asked.headers),
        )


def _session(asked: Asked[Query]) -> Session:
    if asked.session is None:
        raise NotFound("This came with a key, not with a session: there is none to speak of.")
    return asked.session


def _told(session: Session) -> Reply:
    guard, ends_at, who = session.guard, moment(session.ends_ms), session.who
    if isinstance(who, Service):
        return OperatorReply(guard=guard, ends_at=ends_at, service_id=who.service_id)
    return SessionReply(guard=guard, ends_at=ends_at, key=key_reply(who))
