"""Pictures through the official SDK: made, edited, varied, streamed; by the token or one by one."""

import base64
from pathlib import Path

import openai
import pytest
from support.gateways import running_gateway
from support.python_sdk import gateway_and_sdk, used

from gateway.simulator.media import png

PAINTER = "gpt-image-1"
SELLS = {
    # Text in 500, pictures in 1 000, pictures out 4 000 µcr a token.
    PAINTER: '{input: "5", input_image: "10", output: "40", max_output_tokens: 16384}',
    # The same by another name that an operator gave it.
    "painter": '{input: "5", input_image: "10", output: "40"}',
    "dall-e-3": '{pieces: {image.standard.1024x1024: "0.04", image.hd.1792x1024: "0.12"}}',
    "dall-e-2": '{pieces: {image: "0.02"}}',
}
PROMPT = "A toll road at dawn, wide."
PICTURE = ("road.png", png(64, 64, grey=200), "image/png")


async def test_a_picture_is_charged_by_the_tokens_it_reports(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        answer = await sdk.images.generate(
            model=PAINTER, prompt=PROMPT, n=2, quality="low", size="1024x1024"
        )

        assert base64.b64decode(answer.data[1].b64_json).startswith(b"\x89PNG")
        text = tk.provider.journal.entries[-1].prompt_tokens
        assert {"image": 2} == tk.provider.journal.entries[-1].made
        assert text * 500 + 544 * 4_000 == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert {"input_uncached": text, "output_image": 544} == used(event)
        assert "reported" == event["provenance"]


async def test_an_edit_is_a_form_and_its_pictures_have_their_own_price(
    tmp_path: Path, store_url: str
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        answer = await sdk.images.edit(
            model=PAINTER,
            image=[PICTURE, PICTURE],
            mask=PICTURE,
            prompt=PROMPT,
            quality="medium",
            size="1024x1536",
        )

        assert 1 == len(answer.data)
        [event] = await tk.events()
        entry = tk.provider.journal.entries[-1]
        text = entry.prompt_tokens - 3 * 194
        assert {"input_uncached": text, "input_image": 582, "output_image": 1_584} == used(event)
        assert text * 500 + 582 * 1_000 + 1_584 * 4_000 == (await tk.settled()).charged_ucr
        assert entry.body.count(PICTURE[1]) == 3


@pytest.mark.parametrize("edit", [False, True])
async def test_a_stream_with_previews_is_charged_by_its_last_event(
    tmp_path: Path, store_url: str, edit
) -> None:
    options = {"model": PAINTER, "prompt": PROMPT, "quality": "low", "size": "1024x1024"}
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        if edit:
            stream = await sdk.images.edit(image=PICTURE, stream=True, partial_images=2, **options)
        else:
            stream = await sdk.images.generate(stream=True, partial_images=2, **options)
        events = [event async for event in stream]

        kind = "image_edit" if edit else "image_generation"
        assert [f"{kind}.partial_image"] * 2 + [f"{kind}.completed"] == [e.type for e in events]
        assert 472 == events[-1].usage.output_tokens
        await tk.settled()
        [event] = await tk.events()
        assert (472, "reported") == (used(event)["output_image"], event["provenance"])
        assert event["stream"]


@pytest.mark.parametrize("stream", [False, True])
async def test_without_a_reported_usage_the_pictures_are_counted(
    tmp_path: Path, store_url: str, stream
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        answer = await sdk.images.generate(
            model=PAINTER,
            prompt=PROMPT,
            quality="low",
            size="1024x1024",
            stream=stream,
            extra_headers={"x-simulate": "no_usage"},
        )
        if stream:
            assert 1 == len([event async for event in answer])

        await tk.settled()
        [event] = await tk.events()
        assert (272, "counted") == (used(event)["output_image"], event["provenance"])
        assert used(event)["input_uncached"] > 0


async def test_a_client_that_leaves_after_a_preview_pays_for_the_picture(
    tmp_path: Path, store_url: str
) -> None:
    """Nearly all of it can be seen by then: else pictures could be had for their previews."""
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (tk, sdk):
        stream = await sdk.images.generate(
            model=PAINTER,
            prompt=PROMPT,
            quality="low",
            size="1024x1024",
            stream=True,
            partial_images=3,
            extra_headers={"x-simulate": "delay_ms=200"},
        )
        async for _ in stream:
            break
        await stream.close()

        await tk.settled(charged=lambda ucr: ucr > 0)
        [event] = await tk.events()
        assert ("client_left", "counted") == (event["end"], event["provenance"])
        assert 272 + 100 <= used(event)["output_image"] <= 272 + 300


@pytest.mark.parametrize(
    ("options", "piece", "charge_ucr"),
    [
        ({"model": "dall-e-3"}, "image.standard.1024x1024", 4_000_000),
        (
            {"model": "dall-e-3", "quality": "hd", "size": "1792x1024"},
            "image.hd.1792x1024",
            12_000_000,
        ),
        ({"model": "dall-e-2", "n": 3, "size": "512x512"}, "image.standard.512x512", 6_000_000),
    ],
)
async def test_models_sold_by_the_picture_are_charged_by_the_picture(
    tmp_path: Path, store_url: str, options, piece: str, charge_ucr: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        answer = await sdk.images.generate(prompt=PROMPT, **options)

        count = options.get("n", 1)
        assert count == len(answer.data)
        found = await tk.settled()
        assert charge_ucr == found.charged_ucr
        [event] = await tk.events()
        assert ({piece: count}, "counted") == (used(event), event["provenance"])
        assert charge_ucr == event["held_ucr"]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("options", [{"model": "dall-e-2"}, {}])
async def test_variations_are_charged_by_the_picture(
    tmp_path: Path, store_url: str, options
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        answer = await sdk.images.create_variation(image=PICTURE, n=2, **options)

        assert 2 == len(answer.data)
        assert 4_000_000 == (await tk.settled()).charged_ucr


async def test_a_size_that_has_no_price_is_refused(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        with pytest.raises(openai.PermissionDeniedError, match=r"image\.standard\.1792x1024"):
            await sdk.images.generate(model="dall-e-3", prompt=PROMPT, size="1792x1024")

        assert [] == list(tk.provider.journal.entries)


async def test_a_picture_is_held_at_what_it_may_cost_streamed_or_not(
    tmp_path: Path, store_url: str
) -> None:
    """25 credits pay for a square picture of high quality, 16.64 credits, not for two."""
    options = {"model": PAINTER, "prompt": PROMPT, "quality": "high", "size": "1024x1024"}
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=25) as (tk, sdk):
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as refused:
                await sdk.images.generate(n=2, stream=stream, **options)
            assert "insufficient_quota" == refused.value.code
            # No number of tokens to ask for would help.
            assert "affordable_max_tokens" not in refused.value.body
        await sdk.images.generate(**options)

        assert 16_640_000 < (await tk.settled()).charged_ucr < 17_000_000


async def test_an_alias_is_spliced_into_a_form_and_nothing_else_changes(
    tmp_path: Path, store_url: str
) -> None:
    routes = "  - {match: mine, provider: simulated, upstream_model: painter}\n"
    body = b"\r\n".join(
        (
            b"--b0",
            b"content-disposition: form-data; name=model\r\n\r\nmine",
            b"--b0",
            b'Content-Disposition: form-data; name="image[]"; filename="a \xc3\xa9.png"',
            b"X-Odd:   kept\r\n",
            PICTURE[1],
            b"--b0--",
        )
    )
    async with running_gateway(tmp_path, store_url, sells=SELLS, routes=routes, credit=1_000) as tk:
        headers = {
            "Authorization": f"Bearer {tk.key}",
            "Content-Type": 'multipart/form-data; boundary="b0"',
        }
        async with tk.http.post(
            f"{tk.base_url}/images/edits", data=body, headers=headers
        ) as answer:
            assert 200 == answer.status

        [entry] = tk.provider.journal.entries
        assert body.replace(b"\r\n\r\nmine", b"\r\n\r\npainter") == entry.body
        assert "painter" == entry.model
