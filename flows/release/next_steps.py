"""What to do about a reject: a sentence per rule, for the person who has the files."""

# Rules that ingest turns inputs away by. What `rejects.detail` says is about the one input; this is what helps.
REPAIRS = {
    "bad_name": "Give the object another key: parts of at most 255 bytes between single slashes, 511 of these at most, "
    "no part . or ...",
    "corrupt_gzip": "Fetch or compress the file again; gzip -t FILE says whether it is whole.",
    "empty": "Save the page again, or delete the file.",
    "invalid_json": "Write the line as one JSON object; the other lines of the file were read.",
    "invalid_utf16": "Save the file as UTF-8.",
    "invalid_utf8": "Convert the file to UTF-8: iconv -f ENCODING -t UTF-8 OLD > NEW.",
    "lone_surrogate": "Write the record again with whole characters: half of a pair stands for none.",
    "not_an_object": "Write the line as a JSON object that holds its text under a name.",
    "not_found": "Check the path or the pattern, or put the file back.",
    "not_regular_file": "Give a file or a folder; pipes, sockets and devices are not read.",
    "not_utf8": "Write the line again as UTF-8.",
    "nul_character": "Convert the file to UTF-8, or leave it out if it is no text.",
    "text_column_missing": "Name the column that holds the text: copydesk build --column text=NAME. It must hold "
    "texts, and no other may have its name.",
    "text_missing": "Name the column that holds the text: copydesk build --column text=NAME.",
    "text_not_string": "Name the column that holds the text: copydesk build --column text=NAME.",
    "too_large": "Split the file, or allow more with --set max_record_bytes=BYTES (of a compressed file: "
    "max_container_bytes).",
    "unreadable": "Let the user who runs copydesk read it (chmod, chown), or copy it from a sound disk.",
    "unreadable_parquet": "Write the file again, or look at it with another reader; give it more time or memory with "
    "--set parquet_timeout_seconds=N or parquet_memory_bytes=N.",
    "uri_taken": "Rename one of the documents, or read both from one folder above them.",
}
# Rows that fall with another one are mended by mending that.
DEPENDENT = "Look at the row that it fell with, which has a reject of its own."
FAULT = "No input should do this: please report the rule and the row's key; copydesk explain RELEASE ID shows the row."
AGAIN = (
    "Then run copydesk build again as before: what was repaired comes into the next release, its reject goes, and "
    "nothing else changes its id."
)


def next_step(stage: str, rule: str) -> str:
    """What to do about rejects of a rule."""
    if stage == "ingest" and rule in REPAIRS:
        return REPAIRS[rule]
    return DEPENDENT if rule == "depends_on_rejected" else FAULT
