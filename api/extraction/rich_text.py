"""The text of RTF, just enough of it: https://www.biblioscape.com/rtf15_spec.htm

Groups whose destination is no text (fonts, colours, pictures, everything marked `\\*`) are left out; Unicode and code-page
escapes are read. One pass, no recursion: nesting is a counter and a stack of flags.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(rb"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.S)
_SILENT = frozenset({
    b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"themedata", b"datastore", b"listtable",
    b"listoverridetable", b"rsidtbl", b"generator", b"xmlnstbl", b"latentstyles", b"fldinst", b"filetbl",
})  # fmt: skip
_SPOKEN = {
    b"par": "\n", b"line": "\n", b"tab": " ", b"cell": " ", b"row": "\n", b"page": "\n", b"emdash": "-", b"endash": "-",
    b"lquote": "'", b"rquote": "'", b"ldblquote": '"', b"rdblquote": '"', b"bullet": " ", b"sect": "\n",
}  # fmt: skip
_DEEPEST = 10_000


def text_of_rtf(content: bytes) -> str:
    """The words of an RTF document in order."""
    found: list[str] = []
    silent, kept = False, [False]
    skip, page = 0, "cp1252"
    for word, number, code, sign, brace, plain in _TOKEN.findall(content):
        if brace == b"{":
            kept.append(silent)
            if len(kept) > _DEEPEST:
                break
        elif brace == b"}":
            silent = kept.pop() if len(kept) > 1 else False
        elif word in _SILENT or sign == b"*":
            silent = True
        elif word == b"ansicpg" and number:
            page = f"cp{int(number)}" if int(number) in _PAGES else page
        elif silent:
            continue
        elif word == b"u" and number:
            found.append(chr(int(number) % 65_536))
            skip = 1
        elif word:
            found.append(_SPOKEN.get(word, ""))
        elif code or plain:
            text = (bytes([int(code, 16)]) if code else plain).decode(page, errors="replace")
            found.append(text[skip:])
            skip = 0
        elif sign:
            found.append({b"~": " ", b"_": "-", b"-": ""}.get(sign, sign.decode("latin-1")))
    text = "".join(found)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_PAGES = frozenset({437, 850, 852, 866, 874, 932, 936, 949, 950, *range(1250, 1259)})
