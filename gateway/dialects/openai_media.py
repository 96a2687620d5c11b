"""Pictures and sound in a request to OpenAI's formats: how large they are, as they are found.

What is carried in the request itself is measured and is no text; what is only named, by an id or
a URL, cannot be seen from here.
"""

from dataclasses import dataclass, field

from gateway.dialects.image_size import base64_payload, image_size
from gateway.metering.call import ImageInput

# Heard speech is one token per 100 ms ("Managing costs" in OpenAI's realtime guide), and no
# codec accepted here goes below 8 kbit/s (MPEG-2.5 layer III): 100 bytes per token.
AUDIO_BYTES_PER_TOKEN = 100


@dataclass(slots=True)
class Media:
    """What a request carries besides text. `text_bytes` starts as the whole body's length."""

    text_bytes: int
    images: list[ImageInput] = field(default_factory=list)
    audio_tokens: int = 0
    opaque_inputs: int = 0
    dear: bool = False
    """Something in it may be priced above text."""

    def add_image(self, url: object, *, detail: object) -> None:
        """One named by its URL alone counts as the largest there is."""
        width = height = None
        if isinstance(url, str) and (data := base64_payload(url)) is not None:
            self.text_bytes -= len(data)
            width, height = image_size(data) or (None, None)
        named = detail if isinstance(detail, str) else "auto"
        self.images.append(ImageInput(width=width, height=height, detail=named))

    def add_audio(self, audio: object) -> None:
        """An `input_audio` object with base64 `data`."""
        self.dear = True
        data = audio.get("data") if isinstance(audio, dict) else None
        if isinstance(data, str):
            self.text_bytes -= len(data)
            self.audio_tokens += 1 + len(data) * 3 // 4 // AUDIO_BYTES_PER_TOKEN
        else:
            self.opaque_inputs += 1
