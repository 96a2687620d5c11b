import pytest

from gateway.proxy.upload_urls import through_here

PROVIDER = b"generativelanguage.googleapis.com"
URL = b"https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=a%2Fb&upload_protocol=resumable"
HERE = {"Host": "tollkeeper.example:8443", "x-goog-api-key": "tk_1"}


def moved(url=URL, *, headers=HERE, query=None, name=b"X-Goog-Upload-URL"):
    [field] = through_here(
        [(name, url)], provider_host=PROVIDER, headers=headers, query=query or {}
    )
    return field


@pytest.mark.parametrize("name", [b"X-Goog-Upload-URL", b"x-goog-upload-control-url"])
def test_an_upload_goes_on_here_with_the_callers_own_key(name):
    expected = (
        b"http://tollkeeper.example:8443/upload/v1beta/files"
        b"?upload_id=a%2Fb&upload_protocol=resumable&key=tk_1"
    )

    assert (name, expected) == moved(name=name)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", b"https"), (" HTTPS ", b"https"), ("ftp", b"http"), ("", b"http")],
)
def test_the_scheme_is_the_one_the_caller_spoke(proto, scheme):
    _, url = moved(headers=HERE | {"X-Forwarded-Proto": proto})

    assert url.startswith(scheme + b"://")


def test_a_key_from_the_query_is_the_callers_as_well():
    _, url = moved(headers={"Host": "here"}, query={"key": "tk_2&x=1"})

    assert url.endswith(b"&key=tk_2%26x%3D1")


def test_the_providers_host_is_known_in_any_case_and_another_is_left_alone():
    _, url = moved(URL.replace(b"googleapis", b"GoogleAPIs"))
    assert url.startswith(b"http://tollkeeper.example:8443/")

    elsewhere = b"https://storage.googleapis.com/upload?x=1"
    assert (b"X-Goog-Upload-URL", elsewhere) == moved(elsewhere)


def test_other_fields_and_requests_without_a_host_are_left_alone():
    assert (b"Location", URL) == moved(name=b"Location")
    assert (b"X-Goog-Upload-URL", URL) == moved(headers={})
    assert (b"X-Goog-Upload-URL", b"https://[") == moved(b"https://[")
