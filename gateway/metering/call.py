"""What a dialect reads out of a request body: the facts that metering needs, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.metering.usage import Pieces
from gateway.values import call_value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """An image in a prompt. Width and height in pixels; None when only its URL is known."""

    width: int | None
    height: int | None
    detail: str


@call_value
class Terms:
    """What besides the number of its tokens decides a call's price."""

    media: bool = False
    """Audio or images are asked for or sent: the dearer classes must be counted with."""
    pieces: Pieces = ()
    """The most it can use of what is sold by the piece."""
    service_tier: str = ""
    """The tier it asks for, where that may cost more than the ordinary one."""


TEXT_ONLY = Terms()


@call_value
class Call:
    """One request as metering sees it."""

    model: str
    """As the caller named it; an alias is resolved later."""
    unrouted: bool = False
    """`model` is our name for something that has no model (a container, a search), as it stands
    on the rate card: served by the API's own provider, whatever the routes say."""
    stream: bool = False
    choices: int = 1
    """Answers asked for (`n`): each may use the full output allowance."""
    max_output_tokens: int | None = None
    """The caller's own cap per choice; None when the caller set none. 0: the answer has no output
    that is counted in tokens."""
    wants_usage: bool = False
    """The caller asked for the usage event of a stream, so it must not be hidden."""
    text_bytes: int = 0
    """UTF-8 length of everything that may become text tokens: a token is at least a byte."""
    images: tuple[ImageInput, ...] = ()
    audio_tokens: int = 0
    """Upper bound for audio carried in the request."""
    opaque_inputs: int = 0
    """Inputs named by id or URL whose tokens cannot be seen here: each may fill the context."""
    terms: Terms = TEXT_ONLY
    document: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)
    """The decoded body, for an exact count later. Never logged."""
