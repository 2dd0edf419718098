"""Portions of work done elsewhere come to what threads come to, also when they are done twice."""

import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.deduplicate import near, passages, portions, reuse
from flows.deduplicate.kernels import shuffled
from flows.deduplicate.near import near_duplicates
from flows.deduplicate.portion_files import files_of
from flows.deduplicate.portions import ON_THREADS, InFiles, result_of, shared_out, work_off
from flows.deduplicate.stage import Repeats, find_repeats
from flows.ids import sha256_of
from flows.normalize.normalize import normalize
from flows.settings import Settings
from flows.workplace import Workplace
from schemas.provenance import Provenance
from schemas.sources import Sources


def twice_each(work: Path) -> Callable[[Sequence[str]], None]:
    """Work off portions out of order, and each a second time, as happens when a worker is given up too early."""

    def run(names: Sequence[str]) -> None:
        for name in [*reversed(names), *names]:
            work_off(work, name)

    return run


def in_files(folder: Path) -> InFiles:
    return InFiles(folder, folder, twice_each(folder))


def doubled(numbers: np.ndarray, factor: int, name: str | None) -> tuple[np.ndarray, ...]:
    return numbers * factor, np.array([len(name or "")])


def halved(numbers: np.ndarray) -> tuple[np.ndarray, ...]:
    return (numbers // 2,)


@pytest.fixture
def own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "_PACKAGE", "tests.")


def test_a_portion_elsewhere_gets_the_arrays_numbers_and_texts_that_it_was_given(tmp_path, own_functions):
    spread = in_files(tmp_path)
    given_arrays: list[np.ndarray] = [
        np.arange(5),
        np.empty(0, np.uint32),
        np.ones((2, 3), np.int32),
        np.arange(9)[::2],
    ]
    found = list(spread(doubled, [(array, 3, "é") for array in given_arrays]))
    for array, (result, length) in zip(given_arrays, found, strict=True):
        np.testing.assert_array_equal(result, array * 3)
        assert result.dtype == array.dtype
        assert length.tolist() == [1]


def test_what_a_portion_came_to_is_handed_on_by_name_and_not_copied(tmp_path, own_functions):
    spread = in_files(tmp_path)
    (large, _), _ = spread(doubled, [(np.arange(100_000), 2, None), (np.arange(10), 2, None)])
    found = list(spread(halved, [(large[10:20],), (large[20:],)]))
    assert found[0][0].tolist() == list(range(10, 20))
    assert max(file.stat().st_size for file in tmp_path.glob("001halved-*") if not file.name.endswith("arrays")) < 1000
    assert found[1][0][-1] == 99_999


def test_one_portion_alone_is_done_at_once(tmp_path):
    def run(names: Sequence[str]) -> None:
        raise AssertionError

    assert [result.tolist() for (result,) in InFiles(tmp_path, tmp_path, run)(halved, [(np.array([4]),)])] == [[2]]
    assert list(InFiles(tmp_path, tmp_path, run)(halved, [])) == []


def test_a_portion_names_functions_of_the_stage_alone(tmp_path):
    with pytest.raises(ValueError, match="is no part of"):
        list(in_files(tmp_path)(halved, [(np.array([4]),), (np.array([4]),)]))


@given(st.lists(st.integers(0, 2**64 - 1)), st.sampled_from([2, 16, 64]))
def test_ranges_of_keys_cover_them_all_in_order(keys, ranges):
    found, cuts = shuffled(np.array(keys, np.uint64), ranges, is_compiled=False)
    pieces = [found[first:last].tolist() for first, last in pairwise(cuts)]
    assert pieces == [[key for key in keys if key * ranges >> 64 == number] for number in range(ranges)]


@given(st.integers(0, 1000), st.integers(1, 300))
def test_portions_cover_everything_once_and_little_stays_here(total, per_portion):
    for spread in (ON_THREADS, in_files(Path())):
        bounds, who = shared_out(total, per_portion, spread)
        assert [number for first, last in bounds for number in range(first, last)] == list(range(total))
        assert who is (spread if total > per_portion * portions.ELSEWHERE_TIMES else ON_THREADS)


WORDS = [
    *("harbour", "council", "tide", "ferry", "lamp", "engine", "quarry", "school", "budget", "river", "market"),
    *("baker", "winter", "signal", "museum", "garden", "orchard", "bridge", "captain", "letter", "mason"),
    *("violin", "harvest", "kitchen", "doctor", "copper", "window", "summer", "island", "teacher", "forest"),
]


def sentence(seed: int) -> str:
    numbers = np.random.default_rng(seed).integers(0, len(WORDS), 14)
    return " ".join(WORDS[number] for number in numbers).capitalize() + "."


def page(number: int) -> str:
    """A page of three paragraphs; every third repeats most of an earlier one, every fourth one of its paragraphs."""
    own = [" ".join(sentence(1000 * number + 10 * part + step) for step in range(4)) for part in range(3)]
    if number % 3 == 2:
        return page(number - 2).replace("harbour", "dockside").rsplit("\n\n", 1)[0]
    if number % 4 == 3:
        own[1] = page(number - 3).split("\n\n")[2]
    weather = f"Report for Monday {number}. Wind {number % 7}, sea {number % 5}, {number % 31} degrees at {number % 9}."
    footer = "The Harbour Ledger is printed every morning but Sunday by the people of the upper quay and their friends."
    return "\n\n".join([f"Headline {number} {WORDS[number % 31]}", *own, weather, footer])


def shards(folder: Path, pages: Sequence[str], per_shard: int) -> tuple[list[Path], list[Path]]:
    """Shards of `articles` and `passages`, as the build writes them."""
    texts = pl.Series(pages)
    empty = {name: column.dtype.type for name, column in Sources.to_schema().columns.items()}
    sources = pl.DataFrame(
        {
            "source_id": sha256_of(texts).str.head(16),
            "uri": [f"{number}.txt" for number in range(len(pages))],
            "media_type": "text/plain",
            "byte_count": texts.str.len_bytes(),
            "sha256": sha256_of(texts),
            "encoding": "utf-8",
            "char_count": texts.str.len_chars(),
            "text": texts,
        }
    )
    sources = pl.concat(
        [pl.DataFrame(schema=empty), sources.cast({n: empty[n] for n in sources.columns})], how="diagonal"
    )
    sources = sources.sort("source_id")
    stated = pl.DataFrame(schema={name: column.dtype.type for name, column in Provenance.to_schema().columns.items()})
    files: tuple[list[Path], list[Path]] = ([], [])
    for number, part in enumerate(sources.iter_slices(per_shard)):
        made = normalize(part, stated)
        for name, rows, own in (("articles", made.articles, files[0]), ("passages", made.passages, files[1])):
            own.append(folder / f"{name}-{number}.parquet")
            rows.write_parquet(own[-1])
    return files


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    return shards(tmp_path_factory.mktemp("shards"), [page(number) for number in range(420)], 100)


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "ELSEWHERE_TIMES", 1)
    monkeypatch.setattr(near, "_BATCH_ROWS", 200)
    monkeypatch.setattr(passages, "_PASSAGES_PER_SLICE", 700)
    monkeypatch.setattr(reuse, "_PASSAGES_PER_SLICE", 700)
    monkeypatch.setattr(reuse, "_PAIRS_PER_SLICE", 100)


# Of what grows with the corpus nothing is done at once, by the run itself.
FUNCTIONS = {
    *("_words_of_shard", "_placed", "_gathered", "_trimmed", "_aligned", "_sketched", "_linked"),
    *("_described", "_fingerprints", "_linked_range", "_measured"),
}


def same(one: Repeats, other: Repeats) -> None:
    for name in ("clusters", "repeats", "overlaps", "relations"):
        assert getattr(one, name).equals(getattr(other, name)), name


@pytest.fixture(scope="module")
def expected(corpus: tuple[list[Path], list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Repeats:
    """What threads find."""
    return find_repeats(corpus[0], corpus[1], Settings(), tmp_path_factory.mktemp("here"))


def test_repeats_do_not_depend_on_who_does_the_work(corpus, expected, tmp_path, small_portions):
    assert expected.clusters.height > 50
    assert expected.overlaps.height > 100
    functions: set[str] = set()

    def run(names: Sequence[str]) -> None:
        functions.update(name.rpartition("/")[2].split("-")[0].lstrip("0123456789") for name in names)
        twice_each(tmp_path)(names)

    (tmp_path / "portions").mkdir()
    spread = InFiles(tmp_path, tmp_path / "portions", run)
    same(expected, find_repeats(corpus[0], corpus[1], Settings(), tmp_path / "there", spread))
    assert functions >= FUNCTIONS


@pytest.mark.parametrize("name", ["link", "."])
def test_the_work_folder_may_have_another_name(corpus, expected, tmp_path, small_portions, monkeypatch, name):
    (tmp_path / "real" / "portions").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "real")
    work = tmp_path / "link" if name == "link" else Path()
    sizes: list[int] = []

    def run(names: Sequence[str]) -> None:
        sizes.extend((work / file).stat().st_size for one in names for file in files_of(one))
        twice_each(work)(names)

    same(
        expected, find_repeats(corpus[0], corpus[1], Settings(), work / "there", InFiles(work, work / "portions", run))
    )
    assert max(sizes) < 50_000, "what lies in a file is named"


def test_a_corpus_without_a_word_has_no_repeats(tmp_path):
    files = shards(tmp_path, ["— … —", "***", "§ §\n\n—", "!"], 1)
    assert len(files[1]) == 4
    (tmp_path / "portions").mkdir()
    found = find_repeats(*files, Settings(), tmp_path / "there", in_files(tmp_path))
    same(find_repeats(*files, Settings(), tmp_path / "here"), found)
    assert found.repeats.is_empty()


FORMS = [
    f"Harbour report\n\nThe {WORDS[n % 7]} wind comes from the {WORDS[n % 5 + 9]} at {n + 3} knots. High water is "
    f"at {n % 12} past noon, low water at {n % 9}. Ferries leave the {WORDS[n % 11 + 3]} quay every {n % 40 + 20} "
    f"minutes and the lamp keeper on duty is called {WORDS[n % 13 + 8].capitalize()} until the evening watch begins."
    for n in range(24)
]


class Machines:
    """Machines that do not see the folder of the run; each portion is done by one of them, some by two."""

    def __init__(self, work: Workplace, nowhere: Path) -> None:
        self.work = work
        self.functions: set[str] = set()
        self._other = Workplace(nowhere, work.address)

    def __call__(self, names: Sequence[str]) -> None:
        self.functions.update(name.rpartition("/")[2].split("-")[0].lstrip("0123456789") for name in names)
        for name in [*reversed(names), *names[:1]]:
            with self._other.here(files_of(name), files_of(result_of(name))) as folder:
                work_off(folder, name, self._other)


def test_machines_that_see_a_store_alone_find_the_same(corpus, expected, store, tmp_path, small_portions):
    work = Workplace(tmp_path / "run", "s3://desk/run")
    (work.folder / "portions").mkdir(parents=True)
    with work.here((), ("passages/",)) as folder:
        (folder / "passages").mkdir()
        files = [Path(shutil.copy(file, folder / "passages")) for file in corpus[1]]
    machines = Machines(work, tmp_path / "nowhere")
    spread = InFiles(work.folder, work.folder / "portions", machines, work)
    found = find_repeats(corpus[0], files, Settings(), work.folder / "there", spread)
    same(expected, found)
    assert machines.functions >= FUNCTIONS
    # What is sampled goes from machine to machine: the run asks where its ranges begin, and for nothing else of it.
    sampled = list((work.folder / "portions" / ".hollow").rglob("*_fingerprints-*.arrays"))
    assert sampled
    assert all(file.stat().st_blocks * 512 < file.stat().st_size // 2 for file in sampled)


def test_words_that_were_marked_here_reach_other_machines(store, tmp_path, small_portions, monkeypatch):
    """Slots of forms are marked by the run, and looked at again by others."""
    monkeypatch.setattr(near, "_BATCH_ROWS", 40)
    files = shards(tmp_path, [*FORMS, *(page(number) for number in range(12))], 18)
    work = Workplace(tmp_path / "run", "s3://desk/run")
    (work.folder / "portions").mkdir(parents=True)
    with work.here((), ("passages/",)) as folder:
        (folder / "passages").mkdir()
        passage_files = [Path(shutil.copy(file, folder / "passages")) for file in files[1]]
    spread = InFiles(work.folder, work.folder / "portions", Machines(work, tmp_path / "nowhere"), work)
    changed: list[np.ndarray] = []
    say = spread.changed

    def spy(array: np.ndarray) -> None:
        changed.append(array)
        say(array)

    monkeypatch.setattr(spread, "changed", spy)
    found = find_repeats(files[0], passage_files, Settings(), work.folder / "there", spread)
    assert len(changed) == 1
    same(find_repeats(files[0], files[1], Settings(), tmp_path / "here"), found)


def test_near_duplicates_do_not_depend_on_how_the_work_is_cut(monkeypatch):
    documents = pl.DataFrame({"id": [f"{number:04}" for number in range(300)], "text": [page(n) for n in range(300)]})
    whole = near_duplicates(documents)
    assert whole.height > 50
    monkeypatch.setattr(near, "_BATCH_ROWS", 40)
    assert near_duplicates(documents).equals(whole)
