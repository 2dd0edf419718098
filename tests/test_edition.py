"""The public edition gives nothing away that is not ours to give, and whoever has the pages gets everything back."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flows.cli import main
from flows.edition import public_edition
from flows.errors import CopydeskError, UsageError
from flows.hydrate import hydrate
from flows.ingest.run import ingest
from flows.normalize.normalize import normalize
from flows.publishing import edition_in
from flows.release import versions
from flows.release.diff import diff
from flows.release.manifest import Input, read_manifest
from flows.release.parquet import TableWriter
from flows.release.release import BuildInfo
from flows.settings import Settings
from flows.verify import verify
from schemas.tables import TABLES, hash_column, text_columns
from tests.release_tables import release
from tests.test_normalize_coverage import BROKEN, TEXTS

ROOT = Path(__file__).parent.parent
STORY = (
    "Ferries stop at noon\n\nBy Ada Quill\n\nThe harbour master said on Friday that no ferry would leave the port "
    "before the ice had gone.\n\n“We have waited for thirty years and we can wait for one more day,” she said.\n\n"
    "The company did not answer the questions that this newspaper had sent to it in the morning.\n\n"
)
RESERVED = f"{STORY}© 2031 Harbour Gazette. All rights reserved."
OPEN = (
    "A day at the port\n\nBy Bo Reed\n\nThe port of the city was built of the stones of an older one, which burnt "
    "down.\n\n"
    "Nobody knows how many ships have called there since, because the books are lost.\n\n"
    "This text is licensed under Creative Commons BY 4.0."
)
QUOTE = STORY.split("\n")[4]
QUOTING = OPEN.replace("Nobody knows", f"{QUOTE}\n\nNobody knows")


def built(sources: Path, out: Path, **changed: Any) -> Path:
    """A release of the documents in a folder, made by the stages without a flow; repeats are not looked for."""
    chosen = Settings(**changed)
    work = out.with_name(f"{out.name}-work")
    found = ingest([str(sources)], work, chosen, {})
    shards = [
        normalize(pl.read_parquet(work / "sources" / shard), pl.read_parquet(work / "provenance" / shard))
        for shard in found.shards
    ]
    tables = {
        name: pl.concat([TABLES[name].empty(), *(getattr(shard, name) for shard in shards)])
        for name in ("articles", "passages", "evidence")
    }
    tables["sources"] = pl.concat(
        [TABLES["sources"].empty(), *(pl.read_parquet(work / "sources" / shard) for shard in found.shards)]
    )
    tables["rejects"] = pl.read_parquet(work / "rejects" / "*.parquet")
    tables |= {name: TABLES[name].empty() for name in ("overlaps", "relations", "tombstones")}
    counts = {
        "read": found.read_count,
        "released": found.released_count,
        "rejected": found.rejected_count,
        "taken_down": 0,
    }
    inputs = [Input(file.uri, file.sha256, file.byte_count) for file in found.inputs]
    return release(tables, out, chosen, BuildInfo(inputs, counts | {"skipped": 0})).path


def folder_of(documents: Mapping[str, str], folder: Path) -> Path:
    folder.mkdir()
    for name, text in documents.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    records = "".join(json.dumps({"text": text}) + "\n" for text in (STORY, OPEN.replace("ships", "boats")))
    return folder_of(
        {"reserved.txt": RESERVED, "open.txt": OPEN, "quoting.txt": QUOTING, "box.jsonl": records}, tmp_path / "pages"
    )


@pytest.fixture
def full(pages: Path, tmp_path: Path) -> Path:
    return built(pages, tmp_path / "dist")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def strings_in(folder: Path) -> Iterator[str]:
    """All that stands in the files of a folder: every text of every column, and the other files as they are."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            for column in pq.read_table(path).columns:
                yield from (str(value) for value in column.to_pylist() if value is not None)
            yield str(pq.read_metadata(path).metadata)
        elif path.is_file():
            yield path.read_text(encoding="utf-8")


def folded(text: str) -> str:
    """The words of a text in lower case, so that neither cleaning nor markup tells two texts apart."""
    words = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(words)} "


def sentences(text: str) -> Iterator[str]:
    for sentence in re.split(r"(?<=[.!?。！？])\s+|\n+", text):
        if len(sentence.split()) >= 8:
            yield folded(sentence)


def given_away(full: Path, edition: Path) -> list[str]:
    """The withheld sentences of eight words or more that stand in an edition, wherever in it.

    What a passage says that is given in spite of its rights (a title, a byline) is no withheld text where it stands
    once more.
    """
    whole = pl.read_parquet(full / "data/passages/*.parquet")
    public = pl.read_parquet(edition / "data/passages/*.parquet")
    assert whole.drop("text", "text_sha256").equals(public.drop("text", "text_sha256"))
    is_withheld = public["text_sha256"].is_not_null()
    names = folded("\n".join(whole.filter(~is_withheld)["text"]))
    everything = "\n".join(folded(text) for text in strings_in(edition))
    said = {sentence for text in whole.filter(is_withheld)["text"] for sentence in sentences(text)}
    return [sentence for sentence in said if sentence in everything and sentence not in names]


def test_an_edition_withholds_what_it_must_and_nothing_else(full: Path, tmp_path: Path):
    edition = public_edition(full, tmp_path / "edition")
    policies = dict(pl.read_parquet(full / "data/articles/*.parquet").select("source_id", "rights_policy").iter_rows())
    sources = {row["uri"]: row for row in pl.read_parquet(edition / "data/sources/*.parquet").sort("record").to_dicts()}
    assert sources["open.txt"]["text"] == OPEN
    assert policies[sources["quoting.txt"]["source_id"]] == "open"
    for uri, text in (("reserved.txt", RESERVED), ("quoting.txt", QUOTING)):
        assert sources[uri]["text"] is None
        assert sources[uri]["text_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert given_away(full, edition) == []
    said = "\n".join(strings_in(edition))
    for kept in (
        "Ferries stop at noon",
        "By Ada Quill",
        "© 2031 Harbour Gazette. All rights reserved.",
        "Nobody knows how many",
    ):
        assert kept in said
    for name in TABLES:
        rows, public = (pl.read_parquet(folder / "data" / name / "*.parquet") for folder in (full, edition))
        hidden = [*text_columns(name), *map(hash_column, text_columns(name))]
        assert rows.drop(hidden).equals(public.drop(hidden))
        for column in text_columns(name):
            is_given = public[hash_column(column)].is_null()
            assert public.filter(is_given)[column].equals(rows.filter(is_given)[column])
            assert public.filter(~is_given)[column].null_count() == (~is_given).sum()


def test_the_card_of_an_edition_says_what_is_withheld_and_why(full: Path, tmp_path: Path):
    edition = public_edition(full, tmp_path / "edition")
    card = (edition / "README.md").read_text()
    sources = pl.read_parquet(edition / "data/sources/*.parquet")
    withheld = sources["text"].null_count()
    assert f"| `sources`.`text` | {withheld} | {sources.height - withheld} | `text_sha256` |" in card
    assert "public edition" in card
    assert "copydesk hydrate" in card
    assert "| © 2031 Harbour Gazette. All rights reserved. | `reserved` | 1 |" in card
    assert "huggingface.co/datasets/OWNER/NAME/discussions" in card
    assert "What is withheld" not in (full / "README.md").read_text()


def test_the_same_release_gives_the_same_edition(full: Path, tmp_path: Path):
    first, second = (public_edition(full, tmp_path / name) for name in ("first", "second"))
    assert bytes_of(first) == bytes_of(second)
    manifest, whole = read_manifest(first), read_manifest(full)
    assert manifest["edition"] == "public"
    assert manifest["full_rows_sha256"] == whole["rows_sha256"] != manifest["rows_sha256"]
    assert manifest["full_manifest_sha256"] == hashlib.sha256((full / "manifest.json").read_bytes()).hexdigest()
    assert not list(tmp_path.glob(".new-*"))


def test_an_edition_verifies_and_a_text_put_back_is_found(full: Path, pages: Path, tmp_path: Path):
    edition = public_edition(full, tmp_path / "1.0.0")
    assert verify(edition).failures == ()
    assert verify(edition, [pages]).failures == ()
    leaky = shutil.copytree(edition, tmp_path / "leaky" / "1.0.0")
    shutil.rmtree(leaky / "data/passages")
    shutil.copytree(full / "data/passages", leaky / "data/passages")
    # Even if somebody makes the hashes anew: the rows contradict their own policies.
    content = read_manifest(leaky)
    content["tables"]["passages"] = read_manifest(full)["tables"]["passages"]
    (leaky / "manifest.json").write_text(json.dumps(content))
    from flows.release.manifest import digests, write_manifest, write_sums
    from flows.release.rows import all_rows_sha256

    content["rows_sha256"] = all_rows_sha256({name: table["rows_sha256"] for name, table in content["tables"].items()})
    content["outputs"] = {
        name: digest for name, digest in digests(leaky, {}).items() if name not in ("manifest.json", "SHA256SUMS")
    }
    write_manifest(leaky, content)
    write_sums(leaky)
    failures = verify(leaky).failures
    assert {(failure.file, failure.check) for failure in failures} >= {("data/passages/00000.parquet", "given")}
    assert all("ferry" not in failure.detail for failure in failures)


def test_hydrating_gives_the_full_release_back(full: Path, pages: Path, tmp_path: Path):
    edition = public_edition(full, tmp_path / "edition")
    result = hydrate(edition, [pages], tmp_path / "again")
    assert (result.is_whole, result.missing, result.notes) == (True, (), ())
    assert bytes_of(result.path) == bytes_of(full)


FEW = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(st.lists(TEXTS, min_size=1, max_size=12), st.booleans())
@example([BROKEN, f"Goat is back\n\nBy Ada Quill\n\n{BROKEN}\n\nAll rights reserved.", OPEN, QUOTING, RESERVED], True)
def test_any_pages_come_back_byte_for_byte_and_nothing_leaks(tmp_path_factory, texts: list[str], is_small: bool):
    folder = tmp_path_factory.mktemp("any")
    documents = {f"{number}.txt": text for number, text in enumerate([*texts, OPEN])}
    # Many files, row groups and heaps out of few pages.
    bounds = {"shard_bytes": 300, "row_group_bytes": 400, "file_bytes": 900} if is_small else {}
    full = built(folder_of(documents, folder / "pages"), folder / "dist", max_reject_share=1.0, **bounds)
    edition = public_edition(full, folder / "edition")
    assert given_away(full, edition) == []
    result = hydrate(edition, [folder / "pages"], folder / "again")
    assert result.missing == ()
    assert bytes_of(result.path) == bytes_of(full)


def test_few_pages_at_hand_are_no_reason_to_hold_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    documents = {f"{number}.txt": RESERVED.replace("ships", f"ship {number}") for number in range(60)}
    pages = folder_of(documents, tmp_path / "pages")
    bounds = {"shard_bytes": 3000, "row_group_bytes": 4000, "file_bytes": 20000}
    full = built(pages, tmp_path / "dist", max_reject_share=1.0, **bounds)
    edition = public_edition(full, tmp_path / "edition")
    last = pl.read_parquet(full / "data/sources/*.parquet")["uri"][-1]
    for page in pages.glob("*.txt"):
        if page.name != last:
            page.unlink()
    written: list[int] = []
    write = TableWriter.write

    def noted(writer: TableWriter, rows: pl.DataFrame) -> None:
        written.append(rows.height)
        write(writer, rows)

    monkeypatch.setattr(TableWriter, "write", noted)
    result = hydrate(edition, [pages], tmp_path / "again")
    assert (len(result.missing), result.filled_count > 0) == (59, True)
    files = list((edition / "data" / "passages").glob("*.parquet"))
    group_rows = [
        pq.ParquetFile(file).metadata.row_group(group).num_rows
        for file in files
        for group in range(pq.ParquetFile(file).num_row_groups)
    ]
    assert len(group_rows) > 10
    assert max(written) <= 2 * max(group_rows)
    assert sum(written) >= sum(group_rows)


def test_what_is_missing_is_named_and_the_rest_is_written(
    full: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    edition = public_edition(full, tmp_path / "edition")
    (pages / "reserved.txt").unlink()
    (pages / "quoting.txt").write_text(QUOTING + "!")
    result = hydrate(edition, [pages], tmp_path / "partly")
    assert result.missing == (
        "source quoting.txt: what stands there has another SHA-256",
        "source reserved.txt: it is not there",
    )
    assert not result.is_whole
    # No manifest and no card: nobody takes it for what may be published.
    assert {path.name for path in result.path.iterdir()} == {"data"}
    whole, partly = (pl.read_parquet(folder / "data/sources/*.parquet") for folder in (full, result.path))
    is_missing = pl.col("uri").is_in(["reserved.txt", "quoting.txt"])
    assert partly.filter(~is_missing).equals(whole.filter(~is_missing))
    assert partly.filter(is_missing)["text"].null_count() == 2
    with pytest.raises(SystemExit) as ended:
        main(["hydrate", str(edition), "--sources", str(pages), "--out", str(tmp_path / "again")])
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "MISSING source reserved.txt: it is not there\n" in printed
    assert (tmp_path / "again" / "data").is_dir()


def test_a_text_with_another_hash_is_not_filled_in(full: Path, pages: Path, tmp_path: Path):
    """An edition whose own hashes are wrong: the right bytes are there, and do not give what it says."""
    edition = public_edition(full, tmp_path / "edition")
    passages = pl.read_parquet(edition / "data/passages/*.parquet")
    wrong = passages.filter(pl.col("text_sha256").is_not_null())["passage_id"][0]
    changed = passages.with_columns(
        text_sha256=pl.when(passage_id=wrong).then(pl.lit("0" * 64)).otherwise("text_sha256")
    )
    file = edition / "data/passages/00000.parquet"
    pq.write_table(changed.to_arrow().cast(pq.read_schema(file)), file)
    content = read_manifest(edition)
    content["outputs"]["data/passages/00000.parquet"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (edition / "manifest.json").write_text(json.dumps(content))
    result = hydrate(edition, [pages], tmp_path / "again")
    assert result.missing == (f"passages {wrong}: what its source says has another SHA-256 than its text",)
    row = pl.read_parquet(result.path / "data/passages/*.parquet").filter(passage_id=wrong).row(0, named=True)
    assert (row["text"], row["text_sha256"]) == (None, "0" * 64)


def test_what_cannot_be_done_is_one_clear_error(full: Path, pages: Path, tmp_path: Path):
    edition = public_edition(full, tmp_path / "edition")
    with pytest.raises(UsageError, match="exists"):
        public_edition(full, tmp_path / "edition")
    with pytest.raises(UsageError, match="exists"):
        hydrate(edition, [pages], tmp_path / "edition")
    with pytest.raises(CopydeskError, match="public edition already"):
        public_edition(edition, tmp_path / "twice")
    with pytest.raises(CopydeskError, match="withholds nothing"):
        hydrate(full, [pages], tmp_path / "again")
    with pytest.raises(CopydeskError, match=r"nowhere"):
        hydrate(edition, [tmp_path / "nowhere"], tmp_path / "again")
    with pytest.raises(CopydeskError, match=r"no whole release: it has no manifest\.json$"):
        public_edition(tmp_path, tmp_path / "again")
    with pytest.raises(CopydeskError, match=r"no whole release: .* name a release in it, such as .*/dist/1\.0\.0$"):
        public_edition(full.parent, tmp_path / "again")
    with pytest.raises(CopydeskError, match=r"no whole release: there is no such folder$"):
        public_edition(tmp_path / "nowhere", tmp_path / "again")
    (full / "data/sources/00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(CopydeskError, match=r"sources/00000\.parquet is not what manifest\.json states"):
        public_edition(full, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert not list(tmp_path.glob(".new-*"))


def test_an_edition_never_passes_for_another_version(full: Path, pages: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"1\.0\.1 is the name of another version; this is 1\.0\.0"):
        public_edition(full, full.parent / "1.0.1")
    edition = public_edition(full, tmp_path / "editions" / "1.0.0")
    with pytest.raises(UsageError, match="another version"):
        hydrate(edition, [pages], full.parent / "1.0.1")
    assert [path.name for path in full.parent.iterdir() if not path.name.startswith(".")] == ["1.0.0"]


def test_no_release_is_built_upon_an_edition(full: Path, pages: Path, tmp_path: Path):
    (pages / "more.txt").write_text(OPEN.replace("ships", "barges"))
    later = built(pages, full.parent)
    assert versions.newest(full.parent) == later
    mixed = public_edition(later, tmp_path / "mixed" / later.name)
    assert versions.newest(mixed.parent) is None
    earlier = shutil.copytree(full, mixed.parent / full.name)
    assert versions.newest(mixed.parent) == earlier
    (mixed / "manifest.json").write_bytes(b"{")
    assert versions.newest(mixed.parent) == mixed  # not passed over: whoever reads it says what ails it


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("full_outputs", None),
        ("full_rows_sha256", None),
        ("outputs", []),
        ("version", None),
        ("version", "1.0.0/../.."),
        ("conservation", {}),
        ("settings", "none"),
        ("inputs", None),
        ("code", []),
        ("columns", {"mood": "humour"}),
        ("takedowns", [1]),
    ],
)
def test_a_forged_manifest_is_one_clear_error(full: Path, pages: Path, tmp_path: Path, key: str, value: Any):
    edition = public_edition(full, tmp_path / "edition")
    content = json.loads((edition / "manifest.json").read_bytes())
    (edition / "manifest.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(CopydeskError, match=r"manifest\.json") as raised:
        hydrate(edition, [pages], tmp_path / "again")
    assert raised.value.exit_code == 1
    if key != "columns":
        for reads in (
            lambda: diff(full, edition),
            lambda: edition_in(edition),
            lambda: public_edition(edition, tmp_path / "again"),
        ):
            with pytest.raises(CopydeskError, match=r"not the manifest of a release"):
                reads()
    assert not (tmp_path / "again").exists()


def test_nothing_leaks_of_the_committed_release(tmp_path: Path):
    committed = max(
        (path for path in (ROOT / "dist").iterdir() if (path / "manifest.json").is_file()), key=lambda path: path.name
    )
    edition = public_edition(committed, tmp_path / "edition")
    assert pl.read_parquet(edition / "data/passages/*.parquet")["text_sha256"].drop_nulls().len() > 0
    assert given_away(committed, edition) == []
    result = hydrate(edition, [ROOT / "seeds"], tmp_path / "again")
    assert result.missing == ()
    data = {path: digest for path, digest in bytes_of(committed).items() if path.startswith("data/")}
    assert {path: digest for path, digest in bytes_of(result.path).items() if path.startswith("data/")} == data


def test_editions_stand_beside_each_other_and_beside_releases(full: Path, pages: Path, tmp_path: Path):
    (pages / "more.txt").write_text(OPEN.replace("ships", "barges"))
    later = built(pages, full.parent)
    assert later.name == "1.1.0"
    both = tmp_path / "both"
    editions = [public_edition(release, both / release.name) for release in (full, later)]
    assert [verify(edition).failures for edition in editions] == [(), ()]
    mixed = public_edition(later, tmp_path / "mixed" / "1.1.0")
    shutil.copytree(full, mixed.parent / full.name)
    assert verify(mixed).failures == verify(mixed.parent / full.name).failures == ()
    named = public_edition(later, tmp_path / "what I call it")
    assert verify(named).failures == ()
    wrong = shutil.copytree(named, tmp_path / "wrong" / "1.2.0")
    assert [(failure.file, failure.check) for failure in verify(wrong).failures] == [("manifest.json", "version")]
    other = shutil.copytree(full, tmp_path / "other" / "1.0.0")
    shutil.copytree(named, other.parent / "1.1.0")
    (other / "manifest.json").write_text((other / "manifest.json").read_text() + "\n")
    assert ("manifest.json", "parent") in {
        (failure.file, failure.check) for failure in verify(other.parent / "1.1.0").failures
    }


def test_what_an_edition_gives_for_another_setting_is_put_down_to_it(full: Path, pages: Path, tmp_path: Path):
    longer = built(pages, tmp_path / "longer", short_quote_words=40)
    found = diff(public_edition(full, tmp_path / "few"), public_edition(longer, tmp_path / "more"))
    assert found.causes.keys() == {"settings"}
    assert found.details("settings") == ["short_quote_words"]
    # The full releases are the same, whatever is made of them later.
    assert diff(full, longer).causes == {}
