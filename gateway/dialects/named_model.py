"""Where OpenAI's formats name the model: in the body, or, at Azure, in the path as a deployment.

Azure does not read the body's; so it is not read here either where the path names one. Source:
Azure OpenAI REST reference, data plane, 2024-10-21 (read 2026-11-26).
"""

from collections.abc import Mapping
from urllib.parse import quote

import orjson

from gateway.dialects.base import Prepared, Request
from gateway.dialects.forms import is_form, read_form
from gateway.dialects.json_body import model_name, with_model
from gateway.dialects.json_scan import inserted
from gateway.metering.call import Call


def asked_model(request: Request, document: Mapping[str, object]) -> str:
    return request.segments.get("model") or model_name(document)


def prepared(call: Call, request: Request, *, upstream_model: str) -> Prepared:
    """A request under the provider's name for its model, changed nowhere else."""
    if upstream_model == call.model:
        return Prepared(request.body)
    if "model" in request.segments:
        return Prepared(request.body, path=renamed_path(request, upstream_model))
    if is_form(request.content_type):
        form = read_form(request.body, request.content_type)
        return Prepared(form.with_value("model", upstream_model.encode()))
    return Prepared(with_model(request.body, upstream_model))


def prepared_unnamed(call: Call, request: Request, *, upstream_model: str) -> Prepared:
    """The same for a format in which the body need not name its model: where it does not, the name
    is put before all else. `call.document` is the body, decoded."""
    if "model" in call.document or upstream_model == call.model:
        return prepared(call, request, upstream_model=upstream_model)
    named = b'"model":%b,' % orjson.dumps(upstream_model)
    return Prepared(inserted(request.body, request.body.index(b"{") + 1, named))


def renamed_path(request: Request, upstream_model: str) -> str:
    """The path with another deployment."""
    asked = f"/deployments/{request.segments['model']}/"
    return request.path.replace(asked, f"/deployments/{quote(upstream_model, safe='')}/", 1)
