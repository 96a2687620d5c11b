"""An answer that takes minutes keeps what was asked once: to count it, should nobody report it."""

import tracemalloc
from pathlib import Path

import pytest
from support.gateways import running_gateway

PROMPT = "word " * 200_000
PACKAGE = "/gateway/"
ASKED = {"include_usage": True}


@pytest.mark.parametrize(
    "options",
    [
        # Sent on as it came, or written anew so that the provider tells the usage.
        pytest.param({"stream_options": ASKED}, id="as it came"),
        pytest.param({}, id="written anew"),
    ],
)
async def test_a_stream_that_began_keeps_its_question_once(
    tmp_path: Path, store_url: str, options: dict[str, object]
) -> None:
    messages = [{"role": "user", "content": PROMPT}]
    async with running_gateway(tmp_path, store_url) as tk:
        tracemalloc.start()
        try:
            async with tk.chat(
                stream=True, simulate="tokens=20,delay_ms=100", messages=messages, **options
            ) as answer:
                await answer.content.readany()
                traces = tracemalloc.take_snapshot().traces
                await answer.read()
        finally:
            tracemalloc.stop()

        large = [trace for trace in traces if trace.size > len(PROMPT) // 2]
        ours = [trace.traceback[0].filename for trace in large]
        assert ["json_body.py"] == [
            Path(name).name for name in ours if PACKAGE in name and "/simulator/" not in name
        ]
        await tk.assert_books_balance()
