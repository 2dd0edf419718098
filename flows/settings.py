"""Every threshold of the pipeline, with its unit and the evidence for its value.

A run takes the defaults, then a TOML file (`--settings`), then single values (`--set NAME=VALUE`, VALUE in TOML).
What was in force is written into the manifest of the release.
"""

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flows.errors import UsageError

# The manifest holds all settings: of larger integers not every program that reads JSON keeps the last digits
# (RFC 8259, section 6), and the system takes none of 2⁶³ bytes.
MAX_INTEGER = 2**53 - 1


class Settings(BaseModel):
    """All settings of a build. Each field's description says what it bounds and why it has its value."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # --- ingest ---
    max_record_bytes: int = Field(
        default=100_000_000,
        gt=0,
        description="Bytes. A file or record that is larger is turned away: the longest saved pages are a few MB, "
        "and a compressed file of 1 MB can claim 1 GB.",
    )
    max_container_bytes: int = Field(
        default=20_000_000_000,
        gt=0,
        description="Bytes that a compressed container (gzip, Parquet) may unpack to. A month of a large news crawl "
        "is below 10 GB; a Parquet file of 58 KB was seen to unpack to 20 GB.",
    )
    parquet_timeout_seconds: int = Field(
        default=600,
        gt=0,
        le=1_000_000,
        description="Seconds that one Parquet file may take to be read; 340 MB take about a second.",
    )
    parquet_memory_bytes: int = Field(
        default=4_000_000_000,
        ge=1_000_000_000,
        description="Bytes of address space of the process that reads Parquet files, so that a hostile one cannot fill "
        "the machine. The libraries alone need somewhat less than 1 GB.",
    )
    max_reject_share: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Share of the records read. When more are turned away the run stops: the input is not what the "
        "settings were made for.",
    )
    shard_bytes: int = Field(
        default=64_000_000,
        gt=0,
        description="Bytes of text a shard holds, where a shorter text counts as one of 500 bytes: its row takes more. "
        "Memory of a stage grows with it, not with the corpus.",
    )

    # --- deduplicate ---
    shingle_words: int = Field(
        default=4, ge=2, le=12, description="Words in a shingle; the size that the coverages below were measured with."
    )
    all_pairs_up_to: int = Field(
        default=8,
        ge=2,
        description="Texts that share a shingle. When more do, each is linked to the first and to the one before it "
        "only, so that a wire story with many copies costs no square.",
    )
    deduplicate_memory_bytes: int = Field(
        default=4_000_000_000,
        ge=100_000_000,
        description="Bytes that the search for copies may use beside the libraries. What does not fit is put into a "
        "temporary file (words) or worked through in partitions by hash (4-grams).",
    )
    min_article_words: int = Field(
        default=5,
        gt=0,
        description="Words. A shorter article is never called a copy: 'Watch live' is on many pages.",
    )
    min_shared_words: int = Field(
        default=25,
        gt=0,
        description="Words that two articles that are not equal must share to be called copies; shorter agreement "
        "is a notice or a slot in a template. Short notices are copies with fewer when next to nothing else is in "
        "either (99 % of the shorter and 85 % of the longer), or half of all runs of five words are common.",
    )
    min_shorter_coverage: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the shorter article's words that the longer one has in the same order, moved passages "
        "included; four fifths of it where every tenth word differs, as in a text that was edited all through.",
    )
    min_longer_coverage: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="Share of the longer article's words that the shorter one has likewise, unless the shorter one "
        "stands in it whole; four fifths of it in a text that was edited all through.",
    )
    max_unmatched_words: int = Field(
        default=20,
        gt=0,
        description="Words. When both articles have a longer stretch that the other lacks, they tell different "
        "stories in one template, unless what they share is far more than that. Also the longest stretch that two "
        "fillings of one form may differ by.",
    )
    same_story_coverage: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Share of both articles' words from which on differing stretches (another outlet's footer) no "
        "longer tell against a copy; also asked of two parts of one source.",
    )
    part_coverage: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="Share of a shorter article's words that the longer one must have to contain it.",
    )
    min_repeat_words: int = Field(
        default=6,
        gt=0,
        description="Different words of a content passage. A shorter one ('Yes.', 'That is true.') is no repeat.",
    )
    min_stretch_words: int = Field(
        default=12,
        gt=0,
        description="Words in a row, or nearly so, from which on two otherwise different passages overlap.",
    )
    near_similarity: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Share of common words (Dice, each as often as it stands) from which on two passages are nearly "
        "the same; also the share of a passage that must be found elsewhere for it to be a repeat as a whole.",
    )
    lede_similarity: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Similarity of the first passages of two articles of one publisher and author that makes them "
        "paraphrases. Measured: one lede translated twice has 0.62, no other pair of passages "
        "of those two articles over 0.32.",
    )
    notice_similarity: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="The same for bylines, rights lines, disclaimers and source lines. Measured: the lowest of four "
        "true pairs has 0.49.",
    )
    reuse_seed_similarity: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Cosine and Dice of the words of two sentences from which on they may belong to a reused passage. "
        "Sanchez-Perez et al. (PAN 2014) take 0.33; lower ones are safe here, as each passage needs evidence, too.",
    )
    min_reuse_evidence: float = Field(
        default=32.0,
        ge=0,
        description="Log-odds of the words of a passage under reuse against chance, in natural units, on the side "
        "where they are lower. Measured on the training part of PAN 2013: plagdet is the same within 0.003 from 24 to "
        "36; the higher, the fewer short passages that are alike by chance.",
    )
    min_reuse_chars: int = Field(
        default=150,
        gt=0,
        description="Characters that a reused passage has on both sides (Sanchez-Perez et al., PAN 2014).",
    )
    min_copied_chars: int = Field(
        default=100,
        gt=0,
        description="The same for a passage that is copied word by word or nearly so, as a quoted sentence is; less "
        "where a whole text is shorter. Measured on the training part of PAN 2013: 150 would add 0.007 to plagdet, "
        "since shorter copies are not in its truth.",
    )

    min_restated_evidence: float = Field(
        default=10.0,
        ge=0,
        description="Rarity (log of sentences by sentences with it) of the words that two sentences of one page's "
        "articles must share, less what stands between them, to tell the same fact. Measured on saved pages: 14 true "
        "pairs have 10.3 to 22.4; of ten pairs of pages on one subject none but a lede translated twice has over 9.2. "
        "From about 155 sentences on more is asked: 2.3 log(sentences / 2), as 2.3 words tell that nothing else has.",
    )

    # --- release ---
    row_group_bytes: int = Field(
        default=64_000_000,
        gt=0,
        le=1_000_000_000,
        description="Bytes of uncompressed rows in a Parquet row group; the Hub's viewer asks for at most 300 MB.",
    )
    file_bytes: int = Field(
        default=256_000_000,
        gt=0,
        description="Bytes of uncompressed rows in a Parquet file, and of sources in a range of ids that is written by "
        "itself. The Hub asks for files of less than a few GB, and readers open several at once.",
    )
    compression_level: int = Field(
        default=1,
        ge=1,
        le=22,
        description="Level of zstd in the Parquet files. Measured on 20,000 made-up stories, 360 MB in four columns of "
        "text: level 1 takes 2.0 s to write 164 MB, level 3 3.4 s for 138 MB, level 9 10.4 s for 130 MB.",
    )
    hub_repo: str = Field(
        default="OWNER/NAME",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Repository that the card's examples name.",
    )
    dataset_name: str = Field(
        default="News articles, clean and traceable",
        min_length=1,
        max_length=200,
        description="Name of the dataset, as the card's headline and `pretty_name`.",
    )
    dataset_creator: str = Field(
        default="Copydesk",
        min_length=1,
        max_length=200,
        description="Who made the dataset, as citations name them.",
    )
    metadata_license: str = Field(
        default="CC0-1.0",
        pattern=r"^[A-Za-z0-9.+-]+$",
        description="SPDX identifier of the licence for what the pipeline adds (offsets, roles, relations, counts). "
        "The texts stay their publishers'.",
    )
    short_quote_words: int = Field(
        default=7,
        ge=0,
        description="Words in a row that a text of a public edition may quote of one whose rights are reserved or "
        "unknown. A text that says one word more of it is withheld as well, whatever its own rights are.",
    )
    takedown_contact: str = Field(
        default="",
        max_length=200,
        description="Address that the card names for whoever wants something taken down; the discussions of the "
        "repository where it is empty.",
    )
    listed_articles: int = Field(
        default=100,
        gt=0,
        description="Articles that the card lists. A larger release lists this many, evenly spread.",
    )

    @field_validator("*")
    @classmethod
    def _is_exact(cls, value: object) -> object:
        if isinstance(value, int) and value > MAX_INTEGER:
            raise ValueError(f"input should be at most {MAX_INTEGER}")
        return value

    @classmethod
    def load(cls, file: Path | None = None, overrides: tuple[str, ...] = ()) -> Self:
        """Defaults, then the TOML file, then NAME=VALUE overrides.

        Raises:
            UsageError: the file cannot be read, a name is unknown, a value does not fit.
        """
        values: dict[str, Any] = {}
        if file is not None:
            try:
                values |= tomllib.loads(file.read_text(encoding="utf-8"))
            except OSError as error:
                raise UsageError(f"settings file {file}: {error.strerror or error}") from error
            except (ValueError, RecursionError) as error:
                raise UsageError(f"settings file {file}: {error}") from error
        for override in overrides:
            name, equals, value = override.partition("=")
            if not equals:
                raise UsageError(f"--set {override}: expected NAME=VALUE")
            try:
                values[name.strip()] = tomllib.loads(f"value = {value}")["value"]
            except (ValueError, RecursionError) as error:
                raise UsageError(f"--set {override}: the value is not TOML; put a text in double quotes") from error
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                raise UsageError(f"there is no setting {name}; flows/settings.py lists them") from error
            message = first["msg"].removeprefix("Value error, ")
            raise UsageError(f"setting {name}: {message[:1].lower()}{message[1:]}") from error
