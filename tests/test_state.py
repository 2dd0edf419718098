"""Builds that take over what earlier ones made: faster, with the same bytes, and never wrong for a state that is."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows import pipeline, state, steps
from flows.errors import LockedError, UsageError
from flows.ingest.run import ingest
from flows.normalize.normalize import normalize
from flows.release.staging import locked
from flows.settings import Settings
from flows.state import FACTS, INDEX, KEPT, facts_of, merged, read_state, write_state
from flows.takedown.requests import takedowns_in_force
from flows.validate.validate import OF_SHARD
from flows.workplace import Workplace
from schemas.provenance import Provenance
from schemas.tables import TABLES, dtypes_of
from tests.release_tables import PAGES, tables_of
from tests.test_pipeline import STORY, digest, table

PROVENANCE = dtypes_of(Provenance)
ISLANDS = ("Skarholm", "Tarn", "Oxel", "Vinga", "Hallands", "Marst")


def provenance_of(sources: pl.DataFrame, **values: str) -> pl.DataFrame:
    rows = [
        {"source_id": source_id, "field": field, "value": value, "rule": "sources.toml"}
        for source_id in sources["source_id"]
        for field, value in values.items()
    ]
    return pl.DataFrame(rows, schema=PROVENANCE)


def work_folder(folder: Path, tables: dict[str, pl.DataFrame], rejected: str | None = None) -> pl.DataFrame:
    """A build's folder with one shard; what it knows of its sources."""
    facts = facts_of(tables["sources"].sort("source_id"), provenance_of(tables["sources"].clear()))
    rejects = pl.DataFrame({"source_id": [rejected]}, schema={"source_id": pl.String})
    for name, rows in (("sources", tables["sources"]), (FACTS, facts), ("rejects", rejects)):
        (folder / name).mkdir(parents=True)
        rows.write_parquet(folder / name / "00000.parquet")
    for name in KEPT:
        (folder / name).mkdir()
        tables[name].sort(TABLES[name].order).write_parquet(folder / name / "00000.parquet")
    return facts


def state_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.parquet"))


def test_what_was_kept_is_found_again_and_nothing_else(tmp_path):
    tables = tables_of(PAGES)
    facts = work_folder(tmp_path / "work", tables)
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    kept = read_state(tmp_path / "state")
    assert not kept.warnings
    found = kept.tables_of(facts)
    assert found[FACTS].equals(facts)
    for name in KEPT:
        assert found[name].equals(tables[name].sort(TABLES[name].order)), name
    # One source is another one now, and one is new.
    changed = pl.concat(
        [facts[:1].with_columns(facts=pl.lit("other")), facts[1:], facts[1:].with_columns(source_id="facts")]
    )
    found = kept.tables_of(changed.sort("source_id"))
    assert found[FACTS].equals(facts[1:])
    only = facts["source_id"][1]
    assert found["passages"].equals(tables["passages"].filter(source_id=only))
    assert found["articles"].equals(tables["articles"].filter(source_id=only))
    assert set(found["evidence"]["article_id"]) == set(found["articles"]["article_id"])
    assert found["evidence"].height < tables["evidence"].height


def test_facts_are_all_that_is_known_of_a_source_but_its_text():
    sources = tables_of(PAGES)["sources"]
    known = provenance_of(sources, publisher="The Harbour Ledger")
    facts = facts_of(sources, known)
    assert facts_of(sources, known.reverse()).equals(facts)
    others = [facts_of(sources.with_columns(record=pl.lit(1, pl.UInt32)), known)]
    others += [facts_of(sources.with_columns(sha256=pl.lit("0" * 64)), known)]
    others += [facts_of(sources.with_columns(encoding=pl.lit("utf-16-le")), known)]
    others += [facts_of(sources.with_columns(pl.col("retrieved_at").dt.offset_by("1us")), known)]
    others += [facts_of(sources, rows) for rows in (known.clear(), provenance_of(sources, publisher="Another"))]
    others += [facts_of(sources, known.with_columns(rule=pl.lit("record")))]
    # What one value ends with is not what the next one begins with.
    others += [facts_of(sources, provenance_of(sources, publisher='The Harbour Ledger","rule":"'))]
    found = [frame["facts"].to_list() for frame in (facts, *others)]
    assert len({value for values in found for value in values}) == len(found) * sources.height


def test_sources_that_were_turned_away_or_withheld_are_not_kept(tmp_path):
    tables = tables_of({**PAGES, "night.txt": PAGES["morning.txt"]})
    rejected, withheld, other = tables["sources"].sort("source_id")["source_id"]
    is_withheld = pl.col("source_id") == withheld
    sources = tables["sources"].with_columns(text=pl.when(~is_withheld).then("text"))
    facts = work_folder(tmp_path / "work", {**tables, "sources": sources}, rejected)
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    found = read_state(tmp_path / "state").tables_of(facts)
    assert found[FACTS]["source_id"].to_list() == [other]
    for name in ("articles", "passages"):
        assert set(found[name]["source_id"]) == {other}
    for path in state_files(tmp_path / "state"):
        rows = pl.read_parquet(path)
        assert "source_id" not in rows.columns or set(rows["source_id"]) == {other}, path.parent.name


@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
@pytest.mark.parametrize("name", [FACTS, *KEPT])
def test_a_damaged_shard_is_not_used_and_told_of_once(tmp_path, harm, name):
    facts = work_folder(tmp_path / "work", tables_of(PAGES))
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    (file,) = (path for path in state_files(tmp_path / "state") if path.parent.name == name)
    content = bytearray(file.read_bytes())
    file.unlink()
    if harm == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif harm == "cut":
        file.write_bytes(content[:-1])
    kept = read_state(tmp_path / "state")
    assert len(kept.warnings) == 1
    assert "damaged: 1 of its 1 parts" in kept.warnings[0]
    assert kept.tables_of(facts)[FACTS].is_empty()


@pytest.mark.parametrize(
    "change",
    [
        lambda index: "",
        lambda index: "[" * 100_000,
        lambda index: "[]",
        lambda index: "{}",
        lambda index: json.dumps({**index, "build": "../releases"}),
        lambda index: json.dumps({**index, "build": 7}),
        lambda index: json.dumps({**index, "shards": [{**index["shards"][0], "name": "../../x.parquet"}]}),
        lambda index: json.dumps({**index, "shards": [{**index["shards"][0], "first": None}]}),
        lambda index: json.dumps({**index, "shards": [{**index["shards"][0], "files": {"facts": "0"}}]}),
        lambda index: json.dumps({**index, "shards": [{**index["shards"][0], "more": 1}]}),
    ],
)
def test_an_index_that_no_build_wrote_is_no_state(tmp_path, change):
    work_folder(tmp_path / "work", tables_of(PAGES))
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    index = tmp_path / "state" / INDEX
    index.write_text(change(json.loads(index.read_text())))
    kept = read_state(tmp_path / "state")
    assert kept.shards == ()
    assert len(kept.warnings) == 1


def test_no_state_and_that_of_other_code_need_no_warning(tmp_path, monkeypatch):
    assert read_state(tmp_path / "state") == state.KeptRows(tmp_path / "state")
    work_folder(tmp_path / "work", tables_of(PAGES))
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    assert read_state(tmp_path / "state").shards
    now = state.dependencies()
    for name in now:
        monkeypatch.setattr(state, "dependencies", lambda name=name: {**now, name: "another"})
        kept = read_state(tmp_path / "state")
        assert (kept.shards, kept.warnings) == ((), ())


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    facts = work_folder(tmp_path / "work", tables_of(PAGES))
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    before = digest(tmp_path / "state")

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(state, "flush", full)
    with pytest.raises(OSError, match="No space left"):
        write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    monkeypatch.undo()
    assert {name: value for name, value in digest(tmp_path / "state").items() if not name.endswith(".new")} == before
    assert read_state(tmp_path / "state").tables_of(facts)[FACTS].equals(facts)


def test_only_the_last_build_is_kept_and_what_is_not_ours_stays(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "notes.txt").write_text("mine")
    work_folder(tmp_path / "work", tables_of(PAGES))
    for _ in range(3):
        write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    assert len(list((tmp_path / "state").glob("state-*"))) == 1
    assert len(state_files(tmp_path / "state")) == 1 + len(KEPT)
    assert (tmp_path / "state" / "notes.txt").read_text() == "mine"


def test_rows_are_merged_in_the_order_of_their_table():
    rows = tables_of({f"{number}.txt": page for number, page in enumerate([*PAGES.values()] * 5)})
    for name in KEPT:
        whole = rows[name].sort(TABLES[name].order)
        is_fresh = pl.col(whole.columns[0]).hash() % 3 == 0
        kept, fresh = whole.filter(~is_fresh), whole.filter(is_fresh)
        assert 0 < fresh.height < whole.height
        assert merged(name, kept, fresh).equals(whole)


def build(server: Any, pages: Path, out: Path, **parameters: Any) -> Any:
    settings = Settings(shard_bytes=6_000, max_reject_share=0.5)
    return pipeline.run_build(
        server, sources=[str(pages)], out=str(out), settings=settings.model_dump(), columns={}, **parameters
    )


def story(randomness: random.Random) -> str:
    text = STORY.replace("Skarholm", randomness.choice(ISLANDS))
    return text.replace("eleven", str(randomness.randrange(100))).replace("forty", str(randomness.randrange(5)))


def edit(pages: Path, randomness: random.Random) -> None:
    """Some pages come, go, change, or get another name; of some something else is known."""
    names = sorted(path.name for path in pages.glob("*.txt"))
    for name in randomness.sample(names, len(names) // 4):
        match randomness.randrange(3):
            case 0:
                (pages / name).unlink()
            case 1:
                (pages / name).write_text(story(randomness), encoding="utf-8")
            case 2:
                (pages / name).rename(pages / f"renamed-{randomness.randrange(10**6)}.txt")
    for _ in range(randomness.randrange(1, 4)):
        (pages / f"{randomness.randrange(10**6):06}.txt").write_text(story(randomness), encoding="utf-8")
    names = sorted(path.name for path in pages.glob("*.txt"))
    known = "".join(
        f'[[source]]\nuri = "{name}"\npublisher = "{randomness.choice(ISLANDS)} Times"\n'
        for name in randomness.sample(names, 4)
    )
    (pages / "sources.toml").write_text(known, encoding="utf-8")
    (pages / "empty.txt").write_text("", encoding="utf-8")
    (pages / "takedowns.toml").write_text(
        f'[[takedown]]\nuri = "{randomness.choice(names)}"\nreason = "asked for"\ndate = 2031-06-01\n', encoding="utf-8"
    )


def made(pages: Path, work: Path, kept: Path) -> dict[str, pl.DataFrame]:
    """The tables before deduplication as the flow makes them, with what was kept, and keeping what it made."""
    settings = Settings(shard_bytes=8_000)
    found = ingest([str(pages)], work, settings, {})
    known = read_state(kept)
    assert known.warnings == ()
    for shard in found.shards:
        pipeline.normalize_shard.fn(Workplace(work), shard, known)
    takedowns = takedowns_in_force(None, found.folders, [])
    pipeline.take_down_sources.fn(Workplace(work), found.shards, takedowns, work)
    write_state(kept, work, found.shards)
    assert len(found.shards) > 1
    tables = {name: pl.concat(pl.read_parquet(work / name / shard) for shard in found.shards) for name in OF_SHARD}
    return tables | {"rejects": pl.read_parquet(work / "rejects" / "*.parquet").sort("reject_id")}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_over_is_what_would_be_made(tmp_path, seed):
    """Whatever comes, goes, changes, is renamed or taken down, in whatever shards it lies."""
    randomness = random.Random(seed)
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(24):
        (pages / f"{number:03}.txt").write_text(story(randomness), encoding="utf-8")
    made(pages, tmp_path / "first", tmp_path / "state")
    for number in range(3):
        edit(pages, randomness)
        found = made(pages, tmp_path / f"kept-{number}", tmp_path / "state")
        anew = made(pages, tmp_path / f"anew-{number}", tmp_path / f"nothing-{number}")
        for name, rows in anew.items():
            assert found[name].equals(rows), f"{name} after {number + 1} rounds of edits"


@pytest.mark.prefect
def test_a_build_with_a_state_ends_in_the_bytes_of_one_without(server, tmp_path):
    randomness = random.Random(5)
    pages, kept, anew = (tmp_path / name for name in ("pages", "kept", "anew"))
    pages.mkdir()
    for number in range(20):
        (pages / f"{number:03}.txt").write_text(story(randomness), encoding="utf-8")
    build(server, pages, kept)
    shutil.copytree(kept, anew)
    shutil.rmtree(anew / ".state")
    edit(pages, randomness)
    with_state, without = (build(server, pages, out) for out in (kept, anew))
    assert with_state.released.version == "1.1.0"
    assert (with_state.counts, with_state.warnings) == (without.counts, without.warnings)
    assert digest(with_state.released.path) == digest(without.released.path)


@pytest.mark.prefect
def test_only_what_is_new_or_changed_is_normalized(server, tmp_path, monkeypatch):
    seen: list[str] = []

    def watched(sources: pl.DataFrame, provenance: pl.DataFrame) -> Any:
        seen.extend(sources["uri"])
        return normalize(sources, provenance)

    monkeypatch.setattr(steps, "normalize", watched)
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ISLANDS:
        (pages / f"{name}.txt").write_text(STORY.replace("Skarholm", name), encoding="utf-8")
    build(server, pages, tmp_path / "out", state=str(tmp_path / "state"))
    assert sorted(seen) == sorted(f"{name}.txt" for name in ISLANDS)
    seen.clear()
    (pages / "Tarn.txt").write_text(STORY, encoding="utf-8")
    (pages / "Oxel.txt").rename(pages / "Oland.txt")
    (pages / "sources.toml").write_text('[[source]]\nuri = "Vinga.txt"\npublisher = "Vinga Times"\n', encoding="utf-8")
    (pages / "Marst.txt").unlink()
    result = build(server, pages, tmp_path / "out", state=str(tmp_path / "state"))
    assert sorted(seen) == ["Oland.txt", "Tarn.txt", "Vinga.txt"]
    assert result.released.version == "1.1.0"
    assert not (tmp_path / "out" / ".state").exists()
    seen.clear()
    build(server, pages, tmp_path / "elsewhere", state=str(tmp_path / "state"))
    assert not seen


@pytest.mark.prefect
def test_what_is_taken_down_does_not_stay_in_the_state(server, tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ISLANDS:
        (pages / f"{name}.txt").write_text(STORY.replace("Skarholm", name), encoding="utf-8")
    first = build(server, pages, tmp_path / "out").released.path
    key = table(first, "passages").filter(pl.col("text").str.contains("Tarn"))["passage_id"][0]
    (pages / "takedowns.toml").write_text(
        '[[takedown]]\nuri = "Oxel.txt"\nreason = "asked for"\ndate = 2031-06-01\n'
        f'[[takedown]]\nid = "{key}"\nreason = "asked for"\ndate = 2031-06-01\n',
        encoding="utf-8",
    )
    releases_made = [build(server, pages, tmp_path / "out").released.path]
    for path in state_files(tmp_path / "out" / ".state"):
        rows = pl.read_parquet(path)
        if "text" in rows.columns:
            assert not rows.filter(pl.col("text").str.contains("Oxel")).height
            assert "passage_id" not in rows.columns or key not in set(rows["passage_id"])
    again = tmp_path / "again"
    shutil.copytree(first, again / first.name)
    releases_made.append(build(server, pages, again).released.path)
    (pages / f"{ISLANDS[0]}.txt").write_text(STORY + "\nMore of it.\n", encoding="utf-8")
    shutil.rmtree(again / ".state")
    releases_made += [build(server, pages, out).released.path for out in (tmp_path / "out", again)]
    assert digest(releases_made[0]) == digest(releases_made[1])
    assert digest(releases_made[2]) == digest(releases_made[3])
    assert releases_made[0].name != releases_made[2].name


@pytest.mark.parametrize("lost", ["facts/*", "articles/*", "*"])
def test_what_goes_while_a_build_is_at_work_is_not_known(tmp_path, lost):
    facts = work_folder(tmp_path / "work", tables_of(PAGES))
    write_state(tmp_path / "state", tmp_path / "work", ["00000.parquet"])
    kept = read_state(tmp_path / "state")
    for path in kept.folder.glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert all(rows.is_empty() for rows in kept.tables_of(facts).values())


@pytest.mark.prefect
def test_a_state_that_is_damaged_or_cannot_be_written_spoils_no_release(server, tmp_path, monkeypatch):
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "ferry.txt").write_text(STORY, encoding="utf-8")
    first = build(server, pages, tmp_path / "out")
    assert first.warnings == ()
    for path in state_files(tmp_path / "out" / ".state"):
        path.write_bytes(b"PAR1 and nothing more")
    (pages / "other.txt").write_text(STORY.replace("Skarholm", "Tarn"), encoding="utf-8")

    def failing(error: Exception) -> None:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(pipeline, "write_state", fail)

    failing(OSError(28, "No space left on device"))
    second = build(server, pages, tmp_path / "out")
    assert second.released.version == "1.1.0"
    damaged, unwritten = second.warnings
    assert "is damaged" in damaged
    assert "No space left on device; the next build will take longer" in unwritten
    failing(pl.exceptions.ComputeError("No space left on device (os error 28)"))
    _, unwritten = build(server, pages, tmp_path / "out").warnings
    assert unwritten.endswith("No space left on device; the next build will take longer")
    # What is not a matter of the disk is a fault of ours, and no slower build.
    failing(pl.exceptions.ComputeError("lengths of columns differ"))
    with pytest.raises(pl.exceptions.ComputeError, match="lengths of columns differ"):
        build(server, pages, tmp_path / "out")


@pytest.mark.prefect
def test_a_state_has_a_lock_of_its_own_wherever_it_lies(server, tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "ferry.txt").write_text(STORY, encoding="utf-8")
    with locked(tmp_path / "state"), pytest.raises(LockedError, match="state is locked by process"):
        build(server, pages, tmp_path / "out", state=str(tmp_path / "state"))
    with locked(tmp_path / "other" / ".state"), pytest.raises(LockedError, match=r"\.state is locked by process"):
        build(server, pages, tmp_path / "out", state=str(tmp_path / "other" / ".state"))
    with locked(tmp_path / "out" / ".state"), pytest.raises(LockedError, match=r"\.state is locked by process"):
        build(server, pages, tmp_path / "out")
    for inside in (".", "1.0.0", "state"):
        with pytest.raises(UsageError, match="the state cannot lie in"):
            build(server, pages, tmp_path / "out", state=str(tmp_path / "out" / inside))
    assert build(server, pages, tmp_path / "out", state=str(tmp_path / "out" / ".mine")).released.is_new
    assert (tmp_path / "out" / ".mine" / INDEX).is_file()
