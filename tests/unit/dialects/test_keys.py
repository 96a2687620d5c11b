import pytest
from multidict import CIMultiDict

from gateway.dialects.keys import presented_key


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({"Authorization": "Bearer tk_1"}, {}, "tk_1"),
        ({"authorization": "bearer   tk_1  "}, {}, "tk_1"),
        ({"AUTHORIZATION": " BEARER tk_1"}, {}, "tk_1"),
        ({"x-api-key": " tk_1 "}, {}, "tk_1"),
        ({"Api-Key": "tk_1"}, {}, "tk_1"),
        ({"x-goog-api-key": "tk_1"}, {}, "tk_1"),
        ({}, {"key": "tk_1"}, "tk_1"),
        ({"Authorization": "Bearer tk_1", "api-key": "tk_1"}, {"key": "tk_1"}, "tk_1"),
        ({"Authorization": "Basic dXNlcg==", "api-key": "tk_1"}, {}, "tk_1"),
        ({"Authorization": "Bearer tk_1", "api-key": "tk_2"}, {}, None),
        ({"x-api-key": "tk_1"}, {"key": "tk_2"}, None),
        ({"Authorization": "Bearer"}, {}, None),
        ({"Authorization": "Bearer "}, {}, None),
        ({"Authorization": "tk_1"}, {}, None),
        ({"Authorization": "Basic tk_1"}, {}, None),
        ({"x-api-key": ""}, {"key": ""}, None),
        ({}, {}, None),
    ],
)
def test_the_key_is_found_wherever_some_vendor_lets_one_be_sent(headers, query, key):
    assert key == presented_key(CIMultiDict(headers), query)
