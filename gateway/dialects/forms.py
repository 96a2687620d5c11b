"""Forms (`multipart/form-data`): their fields, and where the fields' values stand in the bytes.

What is inspected here must be what the provider reads, and providers' parsers are forgiving in
different ways. So only the plain form that clients write is let through: no text around the parts,
no way of writing a name twice or in an encoding, no transfer encoding. Everything is kept as spans
of the body, so that one value can be replaced and every other byte passes as it came.

The library `multipart` reads the parts; this module alone knows it. Source: RFC 7578, RFC 2046 5.1
(looked at 2026-11-26).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from gateway.dialects.json_body import MODEL_CHARS_MAX
from gateway.errors import BadCall

MEDIA_TYPE = "multipart/form-data"
# Sixteen pictures and two dozen fields are the most the vendors document; keywords may be hundreds.
PARTS_MAX = 1_024
HEADER_BYTES_MAX = 4_096
HEADERS_MAX = 8
# Texts are prompts at the most; a model's name and the like are much shorter.
TEXT_BYTES_MAX = 1024 * 1024

# RFC 2046 5.1.1 has the letters of a boundary; the space among them is asking for trouble.
_CONTENT_TYPE = re.compile(
    r"multipart/form-data((?:[ \t]*;[ \t]*[\w-]+=(?:\"[^\"\\]*\"|[^\s\";]+))+)[ \t]*",
    re.ASCII | re.IGNORECASE,
)
_PARAMETER = re.compile(r"([\w-]+)=(?:\"([^\"\\]*)\"|([^\s\";]+))", re.ASCII)
_BOUNDARY = re.compile(r"[\w'()+,./:=?-]{1,70}", re.ASCII)
_HEADERS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)+\r\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]+)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
# A name without escapes; a file's name may be told in a second way, for other letters.
_DISPOSITION = re.compile(
    r"form-data[ \t]*;[ \t]*name=(?:\"[^\"\\%\x00-\x1f]+\"|[\w.\[\]-]+)"
    r"(?P<filename>[ \t]*;[ \t]*filename=(?:\"(?:[^\"\\\x00-\x1f]|\\[^\x00-\x1f])*\"|[^\s\";]+))?"
    r"(?P<other>[ \t]*;[ \t]*filename\*=[\w-]+'[\w-]*'[\w!#$&+.^`|~%-]*)?[ \t]*",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[0-9]{1,9}")
_AS_THEY_ARE = ("", "7bit", "8bit", "binary")
_UTF8 = ("", "utf-8", "utf8")
# Alike as long as a text is plain ASCII.
_LIKE_ASCII = ("us-ascii", "ascii", "iso-8859-1", "windows-1252")


@dataclass(frozen=True, slots=True)
class Field:
    """One part; its value is `body[start:end]`. `header_start` is where its headers begin."""

    name: str
    start: int
    end: int
    header_start: int
    is_file: bool
    filename: str
    charset: str
    """Lower case, empty when it is not told."""


@dataclass(frozen=True, slots=True)
class Form:
    body: bytes
    boundary: bytes
    fields: tuple[Field, ...]

    def named(self, name: str) -> Iterator[Field]:
        return (field for field in self.fields if field.name == name)

    def one(self, name: str) -> Field | None:
        """The field of that name; None without one. Raises BadCall for two: which of them counts
        differs from server to server."""
        found = tuple(self.named(name))
        if len(found) > 1:
            raise BadCall(
                f"{name} was given more than once; give it once.", details={"param": name}
            )
        return found[0] if found else None

    def value(self, field: Field) -> bytes:
        return self.body[field.start : field.end]

    def text(self, name: str) -> str | None:
        """The value of a field that is no file; None without one."""
        field = self.one(name)
        if field is None:
            return None
        if field.is_file or field.end - field.start > TEXT_BYTES_MAX:
            raise _wrong(name, "a text")
        try:
            return self.value(field).decode("utf-8" if field.charset in _UTF8 else "ascii")
        except UnicodeDecodeError:
            raise _wrong(name, "UTF-8 text") from None

    def model(self) -> str:
        """The field `model`, which must be there."""
        name = self.text("model")
        if name is None:
            raise BadCall("model must be given.", details={"param": "model"})
        if not name or len(name) > MODEL_CHARS_MAX or not name.isprintable():
            raise _wrong("model", f"1 to {MODEL_CHARS_MAX} printable characters")
        return name

    def boolean(self, name: str) -> bool:
        """False without one. Other words than `true` and `false` are refused: servers differ on
        what they mean."""
        word = self.text(name)
        if word is not None and word.lower() not in ("true", "false"):
            raise _wrong(name, "true or false")
        return word is not None and word.lower() == "true"

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number; None without one."""
        digits = self.text(name)
        if digits is None:
            return None
        if not _DIGITS.fullmatch(digits) or not least <= int(digits) <= most:
            raise _wrong(name, f"a whole number from {least} to {most}")
        return int(digits)

    def with_value(self, name: str, value: bytes) -> bytes:
        """The same bytes but for another value of the one field of that name, or with that field
        before all others."""
        field = self.one(name)
        if field is None:
            part = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
            return part % (self.boundary, name.encode(), value) + self.body
        headers = self.body[field.header_start : field.start]
        counted = _LENGTH.search(headers)
        if counted is not None:
            # Some clients tell each part's length.
            headers = b"%b%d%b" % (
                headers[: counted.start(1)],
                len(value),
                headers[counted.end(1) :],
            )
        return b"".join((self.body[: field.header_start], headers, value, self.body[field.end :]))


def is_form(content_type: str) -> bool:
    return content_type[: len(MEDIA_TYPE)].lower() == MEDIA_TYPE


def read_form(body: bytes, content_type: str) -> Form:
    """Raises BadCall for what is no plain form."""
    boundary = _boundary(content_type)
    if not body.startswith(b"--%b\r\n" % boundary):
        raise _not_plain("it does not begin with its boundary")
    try:
        return Form(body, boundary, tuple(_fields(body, boundary)))
    except MultipartError:
        # What the parser says may quote a name.
        raise _not_plain("its parts are malformed, too many or too long") from None


def _boundary(content_type: str) -> bytes:
    match = _CONTENT_TYPE.fullmatch(content_type)
    found = _PARAMETER.findall(match[1]) if match else []
    parameters: dict[str, str] = {name.lower(): quoted or token for name, quoted, token in found}
    boundary = parameters.get("boundary", "")
    if len(parameters) < len(found) or not _BOUNDARY.fullmatch(boundary):
        raise BadCall(
            f"The body must be a form: Content-Type {MEDIA_TYPE} with one boundary of 1 to 70 "
            "letters, digits and marks."
        )
    return boundary.encode()


def _fields(body: bytes, boundary: bytes) -> list[Field]:
    delimiter = b"\r\n--%b" % boundary
    parser = PushMultipartParser(
        boundary,
        max_header_size=HEADER_BYTES_MAX,
        max_header_count=HEADERS_MAX,
        max_segment_count=PARTS_MAX,
        strict=True,
    )
    fields: list[Field] = []
    # Behind the first boundary, which has no line end before it, and its own line end.
    at = start = len(delimiter)
    segment = None
    with parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                headers = _HEADERS.match(body, at)
                if headers is None:
                    raise _not_plain("the headers of a part are not plain")
                segment, start = event, headers.end()
            elif event is None and segment is not None:
                end = start + segment.size
                fields.append(_field(segment, header_start=at, start=start, end=end))
                at = end + len(delimiter) + 2
    if body[at:] not in (b"", b"\r\n"):
        raise _not_plain("something follows its end")
    return fields


def _field(segment: MultipartSegment, *, header_start: int, start: int, end: int) -> Field:
    names = [name for name, _ in segment.headerlist]
    if len(names) != len(set(names)):
        raise _not_plain("a part has a header twice")
    disposition = _DISPOSITION.fullmatch(segment.header("Content-Disposition", ""))
    if disposition is None:
        raise _not_plain("a part's Content-Disposition is not plain")
    if segment.header("Content-Transfer-Encoding", "").strip().lower() not in _AS_THEY_ARE:
        raise _not_plain("a part has a Content-Transfer-Encoding")
    charset = (segment.charset or "").lower()
    if charset not in _UTF8 + _LIKE_ASCII:
        raise _not_plain("a part has a charset that is not known here")
    return Field(
        name=segment.name or "",
        start=start,
        end=end,
        header_start=header_start,
        is_file=bool(disposition["filename"] or disposition["other"]),
        filename=segment.filename or "",
        charset=charset,
    )


def _not_plain(why: str) -> BadCall:
    return BadCall(f"The form cannot be read: {why}.")


def _wrong(name: str, expected: str) -> BadCall:
    return BadCall(f"{name} must be {expected}.", details={"param": name})
