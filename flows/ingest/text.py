"""Plain text files: a file is a document."""

import codecs

from flows.ingest.documents import Document, Refusal, text_problem

# A byte order mark says what follows; without one it is UTF-8. No other encoding is guessed.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
)


def document_of_text(data: bytes) -> Document | Refusal:
    """What the bytes of a text file decode to, strictly; the byte order mark is no part of the text."""
    mark, encoding, codec = next((found for found in _MARKS if data.startswith(found[0])), (b"", "utf-8", "utf-8"))
    try:
        text = data[len(mark) :].decode(codec)
    except UnicodeDecodeError as error:
        at = len(mark) + error.start
        if codec == "utf-8":
            return Refusal(
                "invalid_utf8",
                f"Byte {at} is not valid UTF-8; convert the file, for example with "
                "iconv -f WINDOWS-1252 -t UTF-8 (the first name is the encoding that it was saved in).",
            )
        return Refusal(
            "invalid_utf16", f"Byte {at} is not valid UTF-16, which the byte order mark promises; save it as UTF-8."
        )
    return text_problem(text) or Document(data=data, text=text, encoding=encoding)
