import pytest
from multidict import CIMultiDict

from gateway.access.services import Service, ServiceKey, ServiceKeys, ServiceScope

KEY = "ts_" + "a" * 40
SERVICE = Service("billing", frozenset({ServiceScope.USAGE_READ}))
KEYS = ServiceKeys([ServiceKey(SERVICE, KEY)], pepper=b"pepper")


@pytest.mark.parametrize("value", [f"Bearer {KEY}", f"bearer   {KEY} "])
def test_a_service_is_known_by_its_key(value):
    assert SERVICE is KEYS.service(CIMultiDict({"authorization": value}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY}b"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": "Bearer tk_" + "a" * 40},
        {"Authorization": "Bearer ts_" + "a" * 100_000},
        {"Authorization": "Bearer ts_\udcff"},
        {"x-api-key": KEY},
    ],
)
def test_anything_else_is_nobodys(headers):
    assert None is KEYS.service(CIMultiDict(headers))
