"""Every request an installed official SDK can make, read out of its source: nothing is imported.

A way of writing a path that is not understood here is an error, never skipped: a newer SDK cannot
hide a path.
"""

import ast
import gzip
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import orjson

Asked = tuple[str, str]
"""A method, and a path with something in place of its names."""

_CALL = re.compile(r"self\._(post|get|put|patch|delete|get_api_list)\(")
_PATH = re.compile(r'\s*(?:path=)?(?:path_template\(\s*)?"([^"]+)"')
_SPAN_ROUTE = re.compile(r'span_route="([^"]+)"')
_WEBSOCKET = re.compile(r'b"(/[\w/]+)"|path_template\("([^"]+)", \w+=[\w.]+\)\.encode')
_END_OF_METHOD = re.compile(r"\n    (?:async )?def |\nclass ")


def sources(package: str, pattern: str = "**/*.py") -> Iterator[tuple[Path, str]]:
    spec = find_spec(package)
    assert spec is not None, f"{package} is not installed"
    for folder in spec.submodule_search_locations or ():
        for path in sorted(Path(folder).glob(pattern)):
            yield path, path.read_text()


def filled(path: str) -> str:
    """`/files/{file_id}?x=1` as a client sends it: `/files/file_id-1`."""
    return re.sub(r"\{(\w+)\}", r"\1-1", path.partition("?")[0])


def stainless_requests(package: str, *, prefix: str) -> set[Asked]:
    """What the resources of the openai and anthropic packages send."""
    return {
        (method, filled(prefix + path))
        for file, source in sources(package)
        for call in _CALL.finditer(source)
        for method, path in [_stainless_request(file, source, call)]
    }


def _stainless_request(file: Path, source: str, call: re.Match[str]) -> Asked:
    end = _END_OF_METHOD.search(source, call.end())
    rest = source[call.end() : end.start() if end else None]
    path = _PATH.match(rest) or _SPAN_ROUTE.search(rest)
    assert path is not None, f"{file}:{source.count(chr(10), 0, call.start()) + 1}: which path?"
    if call[1] == "get_api_list":
        return "POST" if 'method="post"' in rest else "GET", path[1]
    return call[1].upper(), path[1]


def openai_websockets() -> set[Asked]:
    return {
        ("GET", filled("/v1" + (found[1] or found[2])))
        for _, source in sources("openai", "resources/**/*.py")
        for found in _WEBSOCKET.finditer(source)
    }


def azure_deployments() -> set[Asked]:
    """The paths that the AzureOpenAI client puts the deployment into."""
    [(_, source)] = sources("openai", "lib/azure.py")
    listed = re.search(r"_deployments_endpoints = set\(\s*\[(.*?)\]", source, re.DOTALL)
    assert listed is not None
    return {
        ("POST", f"/openai/deployments/gpt-1{path}") for path in re.findall(r'"([^"]+)"', listed[1])
    }


def anthropic_elsewhere() -> set[Asked]:
    """What the anthropic package sends to other clouds, in place of `POST /v1/messages`."""
    [(_, vertex)] = sources("anthropic", "lib/vertex/_client.py")
    [(_, bedrock)] = sources("anthropic", "lib/bedrock/_client.py")
    [(_, google)] = sources("anthropic", "lib/google_cloud/_client.py")
    [(_, credentials)] = sources("anthropic", "lib/credentials/_constants.py")
    paths = [
        f"/v1{path}".replace("{specifier}", specifier)
        for path in re.findall(r'"(/projects/[^"]+)"', vertex)
        for specifier in ("rawPredict", "streamRawPredict")
    ]
    paths += re.findall(r'"(/model/[^"]+)"', bedrock)
    location, workspace, organization = re.findall(r'_PATH_TEMPLATE = .*?"(/[^"]+)"', google)
    paths += [f"{location}{workspace}/v1/messages", f"{location}{organization}/v1/user_profiles"]
    paths += re.findall(r'TOKEN_ENDPOINT = "([^"]+)"', credentials)
    return {("POST", filled(path)) for path in paths}


def bedrock_requests() -> set[Asked]:
    """The operations of Bedrock's runtime, with an inference profile as the model."""
    spec = find_spec("botocore")
    assert spec is not None
    assert spec.origin is not None
    [model] = Path(spec.origin).parent.glob("data/bedrock-runtime/*/service-2.json.gz")
    operations = orjson.loads(gzip.decompress(model.read_bytes()))["operations"].values()
    arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-v1%3A0"
    return {
        (
            operation["http"]["method"],
            filled(operation["http"]["requestUri"].replace("{modelId}", arn)),
        )
        for operation in operations
    }


# google-genai: what stands for a name in a path of a module. Vertex has other resources.
_LOCATION = "projects/p-1/locations/l-1"
_GEMINI_NAMES = {
    "model": ("models/m-1",),
    "models_url": ("models", "tunedModels"),
    "models.get.name": ("models/m-1", "tunedModels/m-1"),
    "models.name": ("tunedModels/m-1",),
    "caches.name": ("cachedContents/c-1",),
    "documents.name": ("fileSearchStores/s-1/documents/d-1",),
    "documents.parent": ("fileSearchStores/s-1",),
    "file_search_stores.name": ("fileSearchStores/s-1",),
    "file_search_stores.clean_id": ("fileSearchStores/s-1/media/b-1",),
    "file_search_store_name": ("fileSearchStores/s-1",),
    "tunings.name": ("tunedModels/m-1",),
    "batches.name": ("b-1",),
    "files.file": ("f-1",),
    "files.name": ("f-1",),
    "operationName": ("models/m-1/operations/o-1", "fileSearchStores/s-1/operations/o-1"),
}
_VERTEX_NAMES = {
    "model": ("publishers/google/models/m-1",),
    "models.update.model": ("models/m-1",),
    "models.name": ("models/m-1",),
    "models_url": ("models", "publishers/google/models"),
    "caches.name": ("cachedContents/c-1",),
    "tunings.name": ("tuningJobs/t-1",),
    "tunings.parent": (_LOCATION,),
    "batches.name": ("b-1",),
    "operationName": (f"{_LOCATION}/publishers/google/models/m-1/operations/o-1",),
    "operation_id": ("o-1",),
    "resourceName": (f"{_LOCATION}/publishers/google/models/m-1",),
}


def genai_requests() -> set[Asked]:
    """What the google-genai package sends to the Gemini API and to Vertex AI."""
    asked = set()
    for file, source in sources("google.genai", "[!_]*.py"):
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef):
                asked |= set(_genai_function(file.stem, function))
    return asked | _genai_resources() | _genai_websockets()


def _genai_function(module: str, function: ast.FunctionDef) -> Iterator[Asked]:
    methods = _methods(function)
    for path, vertex in _paths(function.body, vertex=False):
        assert methods, f"google.genai.{module}.{function.name}: {path}: which method?"
        for method in methods:
            for name in _expanded(path, f"{module}.{function.name}", vertex=vertex):
                yield method, _genai_target(method, name, vertex=vertex)


def _methods(function: ast.FunctionDef) -> set[str]:
    methods = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="request" | "request_streamed"),
                args=[ast.Constant(value=str(method)), *_],
            ):
                methods.add(method.upper())
            case ast.Call(func=ast.Attribute(attr="download_file")):
                methods.add("GET")
    return methods


def _paths(body: list[ast.stmt], *, vertex: bool) -> Iterator[tuple[str, bool]]:
    """Templates assigned to `path`, and whether they are Vertex AI's."""
    for statement in body:
        match statement:
            case ast.If(test=test, body=then, orelse=otherwise):
                asks = ast.unparse(test)
                if asks.removeprefix("not ") == "self._api_client.vertexai":
                    yield from _paths(then, vertex="not" not in asks)
                    yield from _paths(otherwise, vertex="not" in asks)
                else:
                    yield from _paths(then, vertex=vertex)
                    yield from _paths(otherwise, vertex=vertex)
            case ast.Assign(targets=[ast.Name(id="path" | "endpoint_url")], value=value):
                template = _template(value)
                if template:
                    yield template, vertex


def _template(value: ast.expr) -> str:
    """Empty for what is made of another template; `path = f'{path}?…'` among it."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.Call(func=ast.Attribute(value=inner, attr="format_map")):
            return _template(inner)
        case ast.JoinedStr():
            text = ast.unparse(value)[2:-1]
            return "" if text.startswith("{path}") else text
        case ast.Name(id="endpoint_url"):
            return ""
    raise AssertionError(f"google.genai: which path is {ast.unparse(value)}?")


def _expanded(template: str, place: str, *, vertex: bool) -> Iterator[str]:
    path = template.replace("{{", "{").replace("}}", "}").replace("{api_version}", "v1beta")
    name = re.search(r"\{(\w+)\}", path)
    if name is None:
        yield path.partition("?")[0]
        return
    known = _VERTEX_NAMES if vertex else _GEMINI_NAMES
    module = place.partition(".")[0]
    keys = (f"{place}.{name[1]}", f"{module}.{name[1]}", name[1])
    values = next((known[key] for key in keys if key in known), ())
    assert values, f"google.genai.{place}: what is {name[0]} in {template}?"
    for value in values:
        yield from _expanded(path.replace(name[0], value), place, vertex=vertex)


def _genai_target(method: str, path: str, *, vertex: bool) -> str:
    """As `_build_request` of the package makes it."""
    if path.startswith("upload/"):
        return f"/{path}"
    if not vertex:
        return f"/v1beta/{path}"
    of_everyone = method == "GET" and path.startswith("publishers/")
    if of_everyone or path.startswith("projects/"):
        return f"/v1beta1/{path}"
    return f"/v1beta1/{_LOCATION}/{path}"


def _genai_resources() -> set[Asked]:
    """The part of the package that is generated by another tool."""
    asked = set()
    for _, source in sources("google.genai", "_gaos/*.py"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                match given.get("method"), given.get("path"):
                    case ast.Constant(value=str(method)), ast.Constant(value=str(path)):
                        asked.add((method, filled(path.replace("{api_version}", "v1beta"))))
    return asked


def _genai_websockets() -> set[Asked]:
    [(_, live)] = sources("google.genai", "_interactions_websocket.py")
    paths = re.findall(r"_LIVE_INTERACTIONS_PATH = '([^']+)'", live)
    assert paths
    targets = {f"/v1beta/{path}" for path in paths}
    for _, source in sources("google.genai", "live*.py"):
        targets |= {filled(path) for path in re.findall(r"\{base_url\}(/ws/[^']+)'", source)}
    return {("GET", target) for target in targets}
