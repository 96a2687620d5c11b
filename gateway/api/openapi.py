"""The OpenAPI 3.1 document of the Metering API, made of the declarations that serve it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api.browser import COOKIE, GUARD, OPERATOR_COOKIE
from gateway.api.operation import JSON, Audience, Operation
from gateway.api.problems import MEDIA_TYPE, TITLES
from gateway.api.shapes import Tagged
from gateway.errors import (
    BadCall,
    BodyTooLarge,
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    GatewayError,
    QuotaExceeded,
    ScopeMissing,
    StoreUnavailable,
    Unauthenticated,
    Unprocessable,
)

REF = "#/components/schemas/{model}"
SECURITY: Mapping[Audience, Sequence[Mapping[str, Sequence[str]]]] = {
    Audience.ANYBODY: [],
    Audience.KEY: [{"virtual_key": []}, {"session": []}],
    Audience.SERVICE: [{"service_key": []}],
    Audience.KEY_OR_SERVICE: [{"virtual_key": []}, {"session": []}, {"service_key": []}],
    Audience.ADMIN: [{"service_key": []}, {"operator_session": []}],
}
SCHEMES = {
    "virtual_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A virtual key (`tk_...`): sees itself and its account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Somebody signed in with a virtual key, in a browser: sees what it sees. "
        f"A change needs the header {GUARD} as well.",
    },
    "operator_session": {
        "type": "apiKey",
        "in": "cookie",
        "name": OPERATOR_COOKIE,
        "description": "An operator signed in on the admin listener.",
    },
    "service_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A service key (`ts_...`): acts for all accounts, within its scopes.",
    },
}
References = Mapping[Any, Mapping[str, Any]]
"""Of each shape, as a question or as an answer: where the document has it."""

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(TITLES)},
        "instance": {"type": "string"},
    },
    "additionalProperties": True,
}


def openapi(
    operations: Sequence[Operation], *, root: str, version: str
) -> dict[str, Any]:  # Any: JSON
    shapes = _shapes(operations)
    references, definitions = models_json_schema(
        [(shape, "serialization" if answers else "validation") for shape, answers in shapes],
        ref_template=REF,
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, references)
        paths.setdefault(root + operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tollkeeper Metering API",
            "version": version,
            "description": "Keys, balances, usage and reservations. Amounts are exact: decimal "
            "text in credits, and whole microcredits. Moments are UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM},
            "securitySchemes": SCHEMES,
        },
    }


def _shapes(operations: Sequence[Operation]) -> list[tuple[type[BaseModel], bool]]:
    shapes: dict[tuple[type[BaseModel], bool], None] = {}
    for operation in operations:
        if operation.answer is not None:
            shapes[operation.answer, True] = None
        shapes.update(((shape, False), None) for shape in operation.shapes.values())
    return list(shapes)


def _operation(operation: Operation, references: References) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": SECURITY[operation.audience],
        "parameters": [*_segments(operation), *_query(operation), *_headers(operation)],
        "responses": _responses(operation, references),
    }
    if operation.scope:
        whose = "A service key needs" if operation.audience is Audience.KEY_OR_SERVICE else "Needs"
        described["description"] = f"{whose} the scope `{operation.scope}`."
    if operation.raw:
        anything = {"application/json": {"schema": {"type": "object"}}}
        described["requestBody"] = {"required": True, "content": anything}
    elif operation.shapes:
        content = {
            media: {"schema": references[shape, "validation"]}
            for media, shape in operation.shapes.items()
        }
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _segments(operation: Operation) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in names
    ]


def _query(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema(ref_template=REF)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _inlined(each, schema),
            # Lists are separated by commas; repeating the parameter is understood as well.
            **({"style": "form", "explode": False} if each.get("type") == "array" else {}),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, whole: Mapping[str, Any]) -> Any:  # noqa: ANN401  Any: JSON
    """A parameter's schema without references: enumerations are written out."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return whole["$defs"][schema["$ref"].rpartition("/")[2]]
        return {name: _inlined(value, whole) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(each, whole) for each in schema]
    return schema


def _headers(operation: Operation) -> list[dict[str, Any]]:
    headers: list[dict[str, Any]] = []
    if operation.idempotent:
        text = {"type": "string", "minLength": 1, "maxLength": 255}
        headers.append({"name": "Idempotency-Key", "required": True, "schema": text})
    if operation.conditional:
        said = "Entity tags, or `*`: 412 if it is none of these any more."
        headers.append({"name": "If-Match", "description": said, "schema": {"type": "string"}})
    return [{"in": "header", **header} for header in headers]


def _responses(operation: Operation, references: References) -> dict[str, Any]:
    answered: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        schema = references[operation.answer, "serialization"]
        answered["content"] = {"application/json": {"schema": schema}}
        if issubclass(operation.answer, Tagged):
            answered["headers"] = {"ETag": {"required": True, "schema": {"type": "string"}}}
    for media in operation.media:
        if media != JSON:
            answered.setdefault("content", {})[media] = {"schema": {"type": "string"}}
    status = 204 if operation.answer is None and operation.media == (JSON,) else None
    responses = {str(status or operation.status): answered}
    for error in _errors(operation):
        problem = {"schema": {"$ref": REF.format(model="Problem")}}
        responses[str(error.status)] = {
            "description": TITLES.get(error.code, error.code),
            "content": {MEDIA_TYPE: problem},
        }
    return responses


def _errors(operation: Operation) -> Sequence[type[GatewayError]]:
    common: list[type[GatewayError]] = [BadCall, StoreUnavailable]
    if operation.audience is not Audience.ANYBODY:
        common += [Unauthenticated, QuotaExceeded]
    if operation.audience in (Audience.SERVICE, Audience.KEY_OR_SERVICE, Audience.ADMIN):
        common.append(ScopeMissing)
    if operation.audience is Audience.KEY:
        common.append(Forbidden)
    if operation.shapes or operation.raw:
        common.append(BodyTooLarge)
    if operation.idempotent:
        common += [Conflict, Unprocessable]
    if operation.conditional:
        common += [Conflict, ChangedMeanwhile]
    return (*common, *operation.errors)
