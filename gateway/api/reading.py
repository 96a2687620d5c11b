"""From a request to what an operation is asked: query and body checked against their shapes."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from gateway.api.operation import FORM, JSON
from gateway.api.shapes import Query
from gateway.errors import BadCall

Model = TypeVar("Model", bound=BaseModel)

# Problems told of one request: the first few say what to do.
PROBLEMS_MAX = 5


def read_query(shape: type[Query], query: Mapping[str, str]) -> Query:
    return _validated(shape, dict(query), "query parameter")


def read_body(
    shapes: Mapping[str, type[BaseModel]], body: bytes, *, content_type: str, required: bool = True
) -> BaseModel | None:
    """`shapes` by media type. None for an operation without a body, which must then be empty; one
    that is not `required` may be."""
    if not shapes:
        if body:
            raise BadCall("This operation takes no body; one came.")
        return None
    if not body and not required:
        body, content_type = b"{}", JSON
    media = content_type.partition(";")[0].strip().lower()
    shape = shapes.get(media)
    if shape is None:
        raise BadCall(f"The body must be {' or '.join(shapes)}; say so in Content-Type.")
    if media == FORM:
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return _validated(shape, dict(fields), "field")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadCall(f"The body is not valid UTF-8 JSON (at {place}).") from None
    return _validated(shape, document, "field")


def display_text(text: str, *, what: str = "A name or note", param: str = "") -> str:
    """Text that fits a line of a table. Raises BadCall; `param`: the field it is told to be of."""
    if not text.isprintable():
        raise BadCall(
            f"{what} has no line breaks or control characters.",
            details={"param": param} if param else {},
        )
    return text


def _validated(shape: type[Model], document: Any, what: str) -> Model:  # noqa: ANN401  Any: decoded JSON
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        told = [_problem(each, what, shape) for each in problems[:PROBLEMS_MAX]]
        first = ".".join(map(str, problems[0]["loc"]))
        raise BadCall("; ".join(told) + ".", details={"param": first}) from None


def _problem(error: Mapping[str, Any], what: str, shape: type[BaseModel]) -> str:
    name = ".".join(map(str, error["loc"])) or "(whole)"
    if error["type"] == "missing":
        return f"{what} {name}: it is missing"
    if error["type"] != "extra_forbidden":
        return f"{what} {name}: {error['msg']}"
    # What lies deeper has names of its own.
    known = sorted(shape.model_fields) if len(error["loc"]) == 1 else []
    close = get_close_matches(name, known, n=1)
    there = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
    return f"{what} {name}: unknown; {there}" if known else f"{what} {name}: unknown"
