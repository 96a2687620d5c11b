"""ClickHouse itself, out of a wheel (chdb), behind the part of its HTTP interface that we use:
the engine is the real one, and reads and runs every statement; only the listener is ours.

    python clickhouse_engine.py FOLDER PASSWORD

It prints its port. A process of its own: there is one engine in each.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

PASSWORD = "ch-password"
# Of the interface itself, not of the engine.
OWN = {"query", "database", "default_format", "wait_end_of_query"}

# The settings and the database in use are the session's, and there is one.
ONE_AT_A_TIME = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    session: object
    password: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get("X-ClickHouse-Key") != self.password:
            self._answer(403, b"Code: 516. Authentication failed", 516)
            return
        statement = f"{asked.get('query', '')}\n{body.decode()}".strip()
        try:
            with ONE_AT_A_TIME:
                found = self._run(statement, asked)
            # Whoever asked may have been cancelled meanwhile.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer(200, found)
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            number = int(code[1]) if code else 1000
            self._answer(404 if number == 60 else 500, str(error).encode(), number)

    def _run(self, statement: str, asked: dict[str, str]) -> bytes:
        parameters = {
            name.removeprefix("param_"): value
            for name, value in asked.items()
            if name.startswith("param_")
        }
        settings = {
            name: value
            for name, value in asked.items()
            if name not in OWN and not name.startswith("param_")
        }
        self._query(f"USE {asked.get('database', 'default')}")
        for name, value in settings.items():
            self._query(f"SET {name} = '{value}'")
        form = asked.get("default_format", "TabSeparated")
        return self._query(statement, form, parameters)

    def _query(self, statement: str, form: str = "Null", parameters: dict | None = None) -> bytes:
        from chdb import ChdbError  # noqa: PLC0415  in the process of the engine only

        try:
            found = self.session.query(statement, form, params=parameters or {})
        except ChdbError as error:
            raise RuntimeError(str(error)) from error
        return found.bytes() if found is not None else b""

    def _answer(self, status: int, body: bytes, code: int = 0) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Engine:
    """`url`: of its HTTP interface; `database` makes a new one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def history_url(self, database: str) -> str:
        return f"clickhouse+http://default:{PASSWORD}@127.0.0.1:{self.port}/{database}"


@contextmanager
def clickhouse_engine(folder: Path) -> Iterator[Engine]:
    command = [sys.executable, __file__, str(folder), PASSWORD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Engine(int(process.stdout.readline()))
        finally:
            process.kill()


def main(folder: str, password: str) -> None:
    from chdb.session import Session  # noqa: PLC0415  in the process of the engine only

    Handler.session, Handler.password = Session(folder), password
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201  whoever started it reads that
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
