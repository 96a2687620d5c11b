"""The API about itself: its OpenAPI document, and a page to read it without any script."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.api.openapi import openapi
from gateway.api.operation import Asked, Audience, Operation, Text
from gateway.api.shapes import Query

CSP = "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code,pre{font:14px ui-monospace,monospace}h2{margin-top:2.5rem}"
    "section{border-top:1px solid #8884;padding:.6rem 0}dt{font-weight:600}"
    "dd{margin:0 0 .3rem 1rem}"
    "table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;"
    "vertical-align:top}"
)


def operations(served: Sequence[Operation], *, root: str, version: str) -> Sequence[Operation]:
    """`served`: all that is to be described, these two aside."""
    document = openapi(served, root=root, version=version)
    body, page = orjson.dumps(document), _page(document).encode()

    async def get_document(_: Asked[Query]) -> Text:
        return Text("application/json", body)

    async def get_page(_: Asked[Query]) -> Text:
        policy = CSP.format(style=_digest(STYLE))
        return Text("text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    return (
        Operation(
            method="GET",
            path="/openapi.json",
            name="getOpenApi",
            summary="This API as an OpenAPI 3.1 document",
            tag="About",
            audience=Audience.ANYBODY,
            handler=get_document,
        ),
        Operation(
            method="GET",
            path="/docs",
            name="getDocs",
            summary="This API as a page to read",
            tag="About",
            audience=Audience.ANYBODY,
            handler=get_page,
            media=("text/html",),
        ),
    )


def _digest(text: str) -> str:

    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _page(document: Mapping[str, Any]) -> str:
    info = document["info"]
    tags: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            section = _section(method, path, described, document)
            tags.setdefault(described["tags"][0], []).append(section)
    parts = [f"<h2>{html.escape(tag)}</h2>{''.join(sections)}" for tag, sections in tags.items()]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(info['title'])}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{html.escape(info['title'])}</h1><p>{html.escape(info['description'])} "
        '<a href="openapi.json">openapi.json</a></p>'
        f"{''.join(parts)}</main></body></html>"
    )


def _section(
    method: str, path: str, described: Mapping[str, Any], document: Mapping[str, Any]
) -> str:
    rows = [
        f"<tr><td><code>{html.escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{html.escape(_type(each['schema']))}</td></tr>"
        for each in described["parameters"]
    ]
    fields = _fields(described.get("requestBody"), document)
    answers = [
        f"<dt>{status}</dt><dd>{html.escape(each['description'])}</dd>"
        for status, each in described["responses"].items()
    ]
    return (
        f"<section><h3><code>{method.upper()} {html.escape(path)}</code></h3>"
        f"<p>{html.escape(described['summary'])}. "
        f"{html.escape(described.get('description', ''))}</p>"
        + (f"<table>{''.join(rows)}{''.join(fields)}</table>" if rows or fields else "")
        + f"<dl>{''.join(answers)}</dl></section>"
    )


def _fields(body: Any, document: Mapping[str, Any]) -> list[str]:  # noqa: ANN401  Any: JSON
    if body is None:
        return []
    schema = next(iter(body["content"].values()))["schema"]
    if "$ref" not in schema:
        return []
    reference = schema["$ref"]
    shape = document["components"]["schemas"][reference.rpartition("/")[2]]
    return [
        f"<tr><td><code>{html.escape(name)}</code></td><td>body</td>"
        f"<td>{html.escape(_type(each))}</td></tr>"
        for name, each in shape.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return str(schema.get("type", "any"))
