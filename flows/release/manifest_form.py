"""The form of `manifest.json`: what whoever reads one may rely on, and what a forged one is turned away by."""

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

# https://semver.org without pre-releases; leading zeros, or digits of other scripts, would name one version twice.
VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


def _encodable(text: str) -> str:
    """A text as it is, unless it holds half a surrogate pair, which JSON can spell out and no table can hold."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_encodable)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=rf"^{VERSION.pattern}$", max_length=30)]
# As far as a column of a table can count.
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


class _Model(BaseModel):
    # What a later version of the program adds is no fault.
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Parent(_Model):
    """The release before."""

    version: Version
    manifest_sha256: Sha256


class InputFile(_Model):
    """A file that was read."""

    uri: Text
    sha256: Sha256
    byte_count: Count


class TableEntry(_Model):
    """What is stated of a table."""

    row_count: Count
    rows_sha256: Sha256
    units: dict[Text, Text] = {}


class Counts(_Model):
    """What became of the records that were read."""

    read: Count
    released: Count
    rejected: Count
    taken_down: Count
    skipped: Count


class Manifest(_Model):
    """`manifest.json`, as far as anything relies on it."""

    version: Version
    parent: Parent | None
    edition: Literal["full", "public"]
    inputs: list[InputFile]
    provenance_inputs: list[InputFile] = []
    settings: dict[str, Any]
    columns: dict[Text, Text] = {}
    takedowns: list[dict[Text, Text]] = []
    code: dict[str, Text | None]
    lock_sha256: Sha256 | None
    tables: dict[Text, TableEntry]
    rows_sha256: Sha256
    full_manifest_sha256: Sha256 | None = None
    full_rows_sha256: Sha256 | None = None
    full_outputs: dict[Text, Sha256] | None = None
    conservation: Counts
    outputs: dict[Text, Sha256]

    @model_validator(mode="after")
    def _check_edition(self) -> Self:
        full = (self.full_manifest_sha256, self.full_rows_sha256, self.full_outputs)
        if self.edition == "public" and None in full:
            raise ValueError("a public edition names the manifest, the rows and the outputs of the full release")
        return self

    def release_sha256(self, own: str) -> str:
        """The SHA-256 by which other releases name this one: that of the full release's manifest.

        Args:
            own: SHA-256 of this manifest.
        """
        return own if self.full_manifest_sha256 is None else self.full_manifest_sha256


class _AmbiguousError(ValueError):
    """A name stands twice in an object: readers would disagree on its value."""


class FormError(ValueError):
    """It has not the form of a manifest."""


def checked_form(data: bytes) -> tuple[dict[str, Any], Manifest]:
    """A manifest from its bytes: all that it states, and what anything relies on.

    Raises:
        FormError: it is none.
    """
    try:
        content = json.loads(data, object_pairs_hook=_unambiguous)
        return content, Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FormError(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error
    except _AmbiguousError as error:
        raise FormError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise FormError("it is not JSON") from error


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise _AmbiguousError("a name stands twice in one object")
    return content
