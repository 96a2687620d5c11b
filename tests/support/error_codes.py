"""The machine codes of our errors, as the source names them."""

import ast
from collections.abc import Iterator
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "gateway"


def error_codes() -> set[str]:
    """Every `code = "…"` of an error class and every `code="…"` given to one that is raised.

    The simulator's codes are OpenAI's, not ours.
    """
    return {
        code
        for path in GATEWAY.rglob("*.py")
        if path.parent.name != "simulator"
        for node in ast.walk(ast.parse(path.read_text()))
        for code in _codes(node)
    }


def _codes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ClassDef(body=body):
            for statement in body:
                match statement:
                    case ast.Assign(
                        targets=[ast.Name(id="code")], value=ast.Constant(str() as code)
                    ):
                        yield code
                    case ast.AnnAssign(
                        target=ast.Name(id="code"), value=ast.Constant(str() as code)
                    ):
                        yield code
        case ast.Call(keywords=keywords):
            for keyword in keywords:
                match keyword:
                    case ast.keyword(arg="code", value=ast.Constant(str() as code)):
                        yield code
