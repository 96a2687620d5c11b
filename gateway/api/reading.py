"""From a request to what an operation is asked: query and body checked against their shapes."""

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from gateway.api.shapes import Query
from gateway.errors import BadCall

Model = TypeVar("Model", bound=BaseModel)

# Problems told of one request: the first few say what to do.
PROBLEMS_MAX = 5


def read_query(shape: type[Query], query: Mapping[str, str]) -> Query:
    return _validated(shape, dict(query), "query parameter")


def read_body(
    shapes: Mapping[str, type[BaseModel]], body: bytes, *, content_type: str
) -> BaseModel | None:
    """`shapes` by media type. None for an operation without a body, which must then be empty."""
    if not shapes:
        if body:
            raise BadCall("This operation takes no body; one came.")
        return None
    shape = shapes.get(content_type.partition(";")[0].strip().lower())
    if shape is None:
        raise BadCall(f"The body must be {' or '.join(shapes)}; say so in Content-Type.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadCall(f"The body is not valid UTF-8 JSON (at {place}).") from None
    return _validated(shape, document, "field")


def _validated(shape: type[Model], document: Any, what: str) -> Model:  # noqa: ANN401  Any: decoded JSON
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        told = [
            f"{what} {'.'.join(map(str, each['loc'])) or '(whole)'}: {each['msg']}"
            for each in problems[:PROBLEMS_MAX]
        ]
        first = ".".join(map(str, problems[0]["loc"]))
        raise BadCall("; ".join(told) + ".", details={"param": first}) from None
