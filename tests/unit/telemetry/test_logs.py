"""The log on real pipes and files: what it writes, when, and what it does when nobody reads."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import orjson
import pytest

from gateway.telemetry.logs import CallLine, Level, Log, encode

LINE: CallLine = {
    "event": "call",
    "request_id": "req-1",
    "key_id": "abcdefghijkl",
    "account_id": "acme",
    "dialect": "openai_chat",
    "provider": "openai",
    "model": "gpt-5",
    "status": 200,
    "end": "completed",
    "reason": "",
    "attempts": 1,
    "cut_off": "",
    "provenance": "reported",
    "input_tokens": 100,
    "output_tokens": 20,
    "cost_ucr": 1_000,
    "held_ucr": 1_500,
    "overrun_ucr": 0,
    "ttfb_ms": 300,
    "duration_ms": 4_000,
}


class Pipe:
    """A log that writes into a pipe we read."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.writer = writer
        self.dropped = 0
        self.log = Log(writer, on_drop=self.count_dropped, waiting_bytes_max=256 * 1024)
        self.log.start()

    def count_dropped(self, lines: int) -> None:
        self.dropped += lines

    def lines(self, count: int) -> list[dict]:
        """Wait for that many lines; the test's own time-out is the deadline."""
        data = b""
        while data.count(b"\n") < count:
            data += os.read(self.reader, 65_536)
        return [orjson.loads(line) for line in data.splitlines()]

    def close(self) -> None:
        # A test may have left the pipe full: read on, so that the writer comes to its end.
        reading = threading.Thread(target=self.read_on)
        reading.start()
        self.log.close(timeout_s=10)
        os.close(self.writer)
        reading.join()
        os.close(self.reader)

    def read_on(self) -> None:
        while os.read(self.reader, 65_536):
            pass


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_a_call_is_one_line_with_every_key_and_a_time(pipe) -> None:
    pipe.log.call(LINE)

    [line] = pipe.lines(1)
    assert {"time", "level", *CallLine.__annotations__} == set(line)
    assert LINE == {name: line[name] for name in LINE}
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert "info" == line["level"]


def test_lines_keep_their_order_however_many_there_are(pipe) -> None:
    written = 400
    for index in range(written):
        pipe.log.call({**LINE, "input_tokens": index})

    assert list(range(written)) == [line["input_tokens"] for line in pipe.lines(written)]


def test_a_change_of_state_is_written_at_once(pipe) -> None:
    began_s = time.monotonic()
    pipe.log.state("store_lost", level=Level.WARNING, attempts=3)
    [line] = pipe.lines(1)

    assert ("store_lost", "warning", 3) == (line["event"], line["level"], line["attempts"])
    assert time.monotonic() - began_s < 0.15


def test_closing_writes_what_was_still_waiting(tmp_path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    log = Log(descriptor)
    log.start()
    for _ in range(50):
        log.call(LINE)
    log.close()
    os.close(descriptor)

    assert 50 == len(path.read_bytes().splitlines())


def test_a_reader_that_stands_still_costs_lines_and_never_time(pipe) -> None:
    """Nobody reads: the pipe fills, then the buffer, then lines are dropped and counted."""
    slowest_s = 0.0
    for _ in range(3_000):
        began_s = time.monotonic()
        pipe.log.call(LINE)
        slowest_s = max(slowest_s, time.monotonic() - began_s)

    assert pipe.dropped > 0
    assert pipe.dropped == pipe.log.dropped_lines
    assert slowest_s < 0.1
    kept = 3_000 - pipe.dropped
    assert kept == len(pipe.lines(kept))


def test_a_reader_that_is_gone_costs_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = Log(writer)
    log.start()
    log.call(LINE)
    log.close()
    os.close(writer)

    assert 1 == log.dropped_lines


def test_a_pipe_someone_made_non_blocking_is_waited_for(pipe) -> None:
    os.set_blocking(pipe.writer, False)
    for _ in range(400):
        pipe.log.call(LINE)

    assert 400 == len(pipe.lines(400))
    assert 0 == pipe.dropped


def test_lines_of_two_processes_on_one_pipe_do_not_mix(pipe) -> None:
    child = os.fork()
    if child == 0:
        log = Log(pipe.writer)
        log.start()
        for _ in range(1_000):
            log.call({**LINE, "provider": "child"})
        log.close()
        os._exit(0)
    for _ in range(400):
        pipe.log.call(LINE)
    providers = [line["provider"] for line in pipe.lines(1_400)]
    os.waitpid(child, 0)

    assert 1_000 == providers.count("child")
    assert 400 == providers.count("openai")


def test_long_text_from_outside_is_cut() -> None:
    line = encode({**LINE, "model": "m" * 1_000_000})

    assert len(line) < 1_000
    assert "gpt" not in orjson.loads(line)["model"]


@pytest.mark.parametrize("value", ["\udcff", 2**70, object(), b"bytes"])
def test_what_json_cannot_carry_does_not_stop_the_log(value) -> None:
    line = orjson.loads(encode({"event": "call", "value": value}))

    assert "call" == line["event"]


def test_a_line_break_in_a_value_does_not_forge_a_second_line() -> None:
    line = encode({**LINE, "model": 'x"}\n{"event": "forged'})

    assert 1 == line.count(b"\n")


def test_no_field_of_a_call_could_carry_a_key_a_prompt_or_an_answer() -> None:
    """The line is a closed set of ids, names and numbers; whoever adds a text adds it here too."""
    texts = {name for name, kind in CallLine.__annotations__.items() if kind is str}

    assert texts == {
        "event",
        "request_id",
        "key_id",
        "cut_off",
        "account_id",
        "dialect",
        "provider",
        "model",
        "end",
        "reason",
        "provenance",
    }
