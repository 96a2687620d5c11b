"""What a dialect reads out of a request body: the facts that metering needs, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.metering.usage import Pieces
from gateway.values import call_value, maker


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
class ByPiece:
    """What a call uses where the rate card sells its model by the piece instead of by the token:
    seconds of sound, characters spoken, pictures made."""

    most: Pieces
    """The most it can use."""
    owed: Pieces = ()
    """What of it is used as soon as the provider has the request."""


@call_value
class Many:
    """Calls that are sent together and served when the vendor has room for them: a batch.

    A call that has one is sized by these totals. Its limits per minute and hour do not count the
    tokens, as the vendors' own do not.
    """

    calls: int
    input_tokens: int
    """Bound of all prompts together; what is only named by id or URL is not in it."""
    longest_input_tokens: int
    opaque_inputs: int = 0
    output_tokens: int = 0
    """Together, of the answers that have a cap of their own."""
    uncapped_answers: int = 0
    """Answers without one: each may be as long as the model can make it."""
    media: bool = False
    service_tier: str = ""
    """What they are served in, for certain: a discount lowers the hold."""

    def longest(self, context_tokens: int) -> int:
        return context_tokens if self.opaque_inputs else self.longest_input_tokens


@call_value
class Call:
    """One request as metering sees it."""

    model: str
    """As the caller named it; an alias is resolved later."""
    unrouted: bool = False
    """`model` is our name for something that has no model (a container, a search), as it stands
    on the rate card: served by the API's own provider, whatever the routes say."""
    stream: bool = False
    whole: bool = False
    """Its answer is billed as a whole, streamed or not: it is never cut, so its hold covers all."""
    choices: int = 1
    """Answers asked for (`n`): each may use the full output allowance."""
    prompts: int = 1
    """Inputs that are read one by one, so that each may fill the context (embeddings)."""
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
    turns: int = 1
    """How often the provider may run the model for it, each time with all there was before as its
    input: more than once where it runs the model's tools itself."""
    opaque_inputs: int = 0
    """Inputs named by id or URL whose tokens cannot be seen here: each may fill the context."""
    owed: Pieces = ()
    """What it uses of what is sold by the piece as soon as the provider has it."""
    terms: Terms = TEXT_ONLY
    by_piece: ByPiece | None = None
    """For a model that may be sold by the piece."""
    counts_tokens: bool = True
    """False: the rate card does sell it by the piece, which is what `owed` and `terms` say."""
    many: Many | None = None
    deferred: bool = False
    """What is answered may be the beginning only: a job whose usage is known later. While its
    answer is on the way nobody knows what was begun, so it is waited for."""
    others: tuple["Call", ...] = ()
    """What the same request asks of other models: each is held and charged by itself."""
    document: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)
    """The decoded body, for an exact count later. Never logged."""


make_call = maker(Call)
"""For what each request is read as."""


def sold_by_piece(call: Call) -> Call:
    """The same call where nothing is charged by the token: it has none to count or to hold."""
    by_piece = call.by_piece
    assert by_piece is not None
    return replace(
        call,
        max_output_tokens=0,
        text_bytes=0,
        images=(),
        audio_tokens=0,
        opaque_inputs=0,
        owed=by_piece.owed,
        terms=replace(call.terms, pieces=by_piece.most),
        counts_tokens=False,
    )
