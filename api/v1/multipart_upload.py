"""A file in a form, read as it arrives: https://www.rfc-editor.org/rfc/rfc7578

Nothing of the file is held: its pieces go on as they come. The other fields are short texts and come before the file, so
that what is said of it is known when it starts; a field after it is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from domain.errors import InvalidFields, InvalidRequest, TooLarge, UnsupportedMedia

FIELD_BYTES, MOST_FIELDS = 4_096, 12


def boundary_of(content_type: str | None) -> str | None:
    """The boundary of a form with files; `None` for a body that is none. Raises `UnsupportedMedia` for one without."""
    kind, options = parse_options_header(content_type or "")
    if kind.lower() != "multipart/form-data":
        return None
    boundary: str = options.get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise UnsupportedMedia("A multipart body needs a boundary")
    return boundary


class FormFile:
    """The form up to its file, and then the file. `fields` are the texts before it."""

    def __init__(self, pieces: AsyncIterator[bytes], boundary: str) -> None:
        self._pieces = pieces
        self._parser = PushMultipartParser(boundary, max_segment_count=MOST_FIELDS, strict=True)
        self._events: Iterator[MultipartSegment | bytes | bytearray | None] = iter(())
        self.fields: dict[str, str] = {}
        self.content_type: str | None = None
        self.name: str | None = None

    async def start(self) -> Mapping[str, str]:
        """Read up to the file. Raises `InvalidRequest` for what is no form, `InvalidFields` for a form without one."""
        segment, text = None, bytearray()
        async for event in self._each():
            if isinstance(event, MultipartSegment):
                segment, text = event, bytearray()
                if event.filename is not None or event.name == "file":
                    self.content_type, self.name = (event.headerlist and event.content_type) or None, event.filename
                    return self.fields
            elif event is None and segment is not None:
                self._keep(segment, text)
            elif event is not None:
                text += event
                if len(text) > FIELD_BYTES:
                    raise TooLarge(f"A field of a form is at most {FIELD_BYTES} bytes")
        raise InvalidFields("The form has no file", expression="file")

    def _keep(self, segment: MultipartSegment, text: bytearray) -> None:
        if segment.name in self.fields:
            raise InvalidFields("This field is given twice", expression=segment.name[:64])
        try:
            self.fields[segment.name] = text.decode()
        except UnicodeDecodeError:
            raise InvalidFields("This field is not UTF-8", expression=segment.name[:64]) from None

    async def file(self) -> AsyncIterator[bytes]:
        """The bytes of the file. Raises `InvalidRequest` when the form ends in the middle or goes on after it."""
        ended = False
        async for event in self._each():
            if isinstance(event, MultipartSegment):
                raise InvalidFields("The file is the last part of the form", expression=event.name[:64])
            if event is None:
                ended = True
            else:
                yield bytes(event)
        if not ended:
            raise InvalidRequest("The form ends in the middle of its file", code="structure")

    async def _each(self) -> AsyncIterator[MultipartSegment | bytes | bytearray | None]:
        while True:
            with _refused():
                for event in self._events:
                    yield event
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                with _refused():
                    self._parser.close()
                return
            if piece and not self._parser.closed:
                self._events = iter(self._parser.parse(piece))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except ParserLimitReached:
        raise TooLarge("The form has too many or too long parts") from None
    except MultipartError:
        raise InvalidRequest("The body is not multipart/form-data", code="structure") from None
