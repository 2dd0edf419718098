"""Near-duplicates, ours and the peers' side by side: each finds the copies in the same corpus, one after the other.

    python -m benchmarks.compare 20000                       # a plain and a hard corpus, everybody
    python -m benchmarks.compare 100000 --only gaoya rensa   # ours and these

A peer has an environment of its own, which is made from its file in benchmarks/peers on first use, and a module there
that runs it and says which settings it has. Everything counts from the start of the process to its end: imports,
reading Parquet, writing the clusters. Ours is run once on a small corpus before, so that its kernels are compiled.
Results go to benchmarks/.results, one JSON file per corpus; `python -m benchmarks.table` writes them into the README.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.corpus import UNNAMED_SHARE, write_corpus
from benchmarks.near import accuracy
from benchmarks.processes import Cost, cost, end_on_sigterm

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".envs"
RESULTS = HERE / ".results"
WARM_UP_DOCUMENTS = 3_000
# Of the whole process tree of a contender.
MAX_BYTES = 16_000_000_000


@dataclass(frozen=True)
class Contender:
    """Somebody who finds near-duplicates.

    Attributes:
        name: as it is printed.
        module: of benchmarks.peers.
        environment: whose; None is the project's own.
        arguments: of the module, beside the corpus and the file to write.
        most_documents: a larger corpus is not tried.
    """

    name: str
    module: str
    environment: str | None
    arguments: tuple[str, ...] = ()
    most_documents: int | None = None


OURS = Contender("copydesk", "copydesk", None)
PEERS = (
    # A million would take 4 and 2 hours of CPU at the 15 and 7 ms that a document takes them.
    Contender("datatrove", "datatrove", "datatrove", most_documents=100_000),
    Contender("text-dedup", "text_dedup", "text-dedup", most_documents=100_000),
    Contender("rensa", "rensa", "rensa"),
    Contender("gaoya", "gaoya", "gaoya"),
    # A million would take more memory than MAX_BYTES at the 23 kB that a document takes it.
    Contender("datasketch", "datasketch", "datasketch", most_documents=500_000),
    Contender("rensa, tuned", "rensa", "rensa", ("--tuned",)),
    Contender("gaoya, tuned", "gaoya", "gaoya", ("--tuned",)),
)


@dataclass(frozen=True)
class Trial:
    """One contender on one corpus: what it cost, and how right it was (`benchmarks.near.Accuracy`) if it got done."""

    name: str
    cost: Cost
    accuracy: dict[str, Any] | None


def python_of(environment: str | None, uv: str) -> str | None:
    """The interpreter of a peer's environment, which is made anew when its requirements changed; None if it cannot be.

    Args:
        environment: name of the peer; None is the environment that this runs in.
        uv: the installer.
    """
    if environment is None:
        return sys.executable
    requirements = HERE / "peers" / f"{environment}.txt"
    folder = ENVIRONMENTS / environment
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = folder / "bin" / "python"
    if not (stamp.exists() and stamp.read_text(encoding="ascii") == digest):
        if shutil.which(uv) is None:
            return None
        print(f"preparing the environment of {environment}", file=sys.stderr)
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "sync", "--quiet", "--python", str(python), str(requirements)],
        ):
            if subprocess.run(command, check=False).returncode:
                return None
        stamp.write_text(digest, encoding="ascii")
    return str(python)


def trial(contender: Contender, corpus: Path, folder: Path, *, uv: str, seconds: float) -> Trial:
    """Run one contender on one corpus.

    Args:
        contender: who.
        corpus: a file of `benchmarks.corpus`.
        folder: for what it writes; its log stays there.
        uv: the installer.
        seconds: wall time after which it is ended.
    """
    documents = pl.scan_parquet(corpus).select(pl.len()).collect().item()
    if contender.most_documents is not None and documents > contender.most_documents:
        return Trial(contender.name, Cost(f"not tried above {contender.most_documents:,}", 0.0, 0.0, 0), None)
    python = python_of(contender.environment, uv)
    if python is None:
        return Trial(contender.name, Cost("cannot be installed", 0.0, 0.0, 0), None)
    label = contender.name.replace(", ", "-")
    out = folder / f"{label}.parquet"
    out.unlink(missing_ok=True)
    _read_through(corpus)
    spent = cost(
        [python, "-m", f"benchmarks.peers.{contender.module}", str(corpus), str(out), *contender.arguments],
        cwd=ROOT,
        environment={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        log=folder / f"{label}.log",
        seconds=seconds,
        max_bytes=MAX_BYTES,
    )
    if spent.outcome != "done":
        return Trial(contender.name, spent, None)
    truth = pl.read_parquet(corpus, columns=["id", "story", "kind", "model", "outlet"])
    return Trial(contender.name, spent, asdict(accuracy(truth, pl.read_parquet(out))))


def _read_through(file: Path) -> None:
    """Read a file, so that whoever comes first does not read it from the disk for all others."""
    with file.open("rb") as stream:
        while stream.read(1 << 24):
            pass


def corpus_file(documents: int, *, is_hard: bool, seed: int) -> Path:
    """The made-up corpus; one that the same generator made before is taken again."""
    generator = hashlib.sha256((HERE / "corpus.py").read_bytes()).hexdigest()[:8]
    path = RESULTS / f"corpus-{documents}-{'hard' if is_hard else 'plain'}-{seed}-{generator}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        write_corpus(documents, unfinished, seed, is_hard=is_hard, unnamed_share=UNNAMED_SHARE if is_hard else 0.0)
        unfinished.rename(path)
    return path


def report(trials: Sequence[Trial], console: Console) -> None:
    """Print trials as two tables, the first one as ratios to the first trial."""
    ours = trials[0].cost
    grid = Grid("", "wall s", "×", "CPU s", "×", "GB", "×", "precision", "recall", "F1", "hard", "forms", "same outlet")
    for one in trials:
        spent, right = one.cost, one.accuracy
        if right is None:
            grid.add_row(one.name, spent.outcome)
            continue
        grid.add_row(
            one.name,
            f"{spent.wall_seconds:.1f}",
            f"{spent.wall_seconds / ours.wall_seconds:.1f}",
            f"{spent.cpu_seconds:.1f}",
            f"{spent.cpu_seconds / ours.cpu_seconds:.1f}",
            f"{spent.peak_bytes / 1e9:.2f}",
            f"{spent.peak_bytes / ours.peak_bytes:.1f}",
            f"{right['precision']:.4f}",
            f"{right['recall']:.4f}",
            f"{right['f1']:.4f}",
            f"{right['merged_hard_negatives']}/{right['hard_negatives']}",
            f"{right['merged_forms']}/{right['forms']}",
            f"{right['false_pairs_of_outlet']:,}",
        )
    console.print(grid)
    finished = [one for one in trials if one.accuracy is not None]
    kinds = sorted({kind for one in finished for kind in (one.accuracy or {})["recall_by_kind"]})
    grid = Grid("recall of pairs with", *(one.name for one in finished))
    for kind in kinds:
        grid.add_row(kind, *(f"{(one.accuracy or {})['recall_by_kind'].get(kind, 0.0):.4f}" for one in finished))
    console.print(grid)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run everybody on a plain and a hard corpus, print and keep what came of it."""
    parser = argparse.ArgumentParser(description="Near-duplicates: ours and the peers' side by side.")
    parser.add_argument("documents", type=int, nargs="?", default=20_000)
    parser.add_argument("--only", nargs="*", metavar="PEER", help="these peers alone; a name without a value: none")
    parser.add_argument("--corpora", nargs="+", choices=("plain", "hard"), default=("plain", "hard"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3_600, help="wall time that each has")
    parser.add_argument("--uv", default=shutil.which("uv", path=f"{ROOT}/.uv/bin:{os.environ['PATH']}") or "uv")
    options = parser.parse_args(arguments)
    peers = [one for one in PEERS if options.only is None or one.name in options.only]
    if options.only and (unknown := set(options.only) - {one.name for one in PEERS}):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in PEERS)}")
    RESULTS.mkdir(exist_ok=True)
    # Into a file or a pipe the tables go unbroken.
    console = Console(width=None if sys.stdout.isatty() else 240)
    end_on_sigterm()
    warm_up = corpus_file(WARM_UP_DOCUMENTS, is_hard=True, seed=options.seed)
    trial(OURS, warm_up, RESULTS, uv=options.uv, seconds=options.seconds)
    for name in options.corpora:
        corpus = corpus_file(options.documents, is_hard=name == "hard", seed=options.seed)
        trials = []
        for contender in (OURS, *peers):
            print(f"{contender.name}: {options.documents:,} documents, {name}", file=sys.stderr)
            trials.append(trial(contender, corpus, RESULTS, uv=options.uv, seconds=options.seconds))
        console.print(f"\n{options.documents:,} documents, {name} (seed {options.seed})")
        report(trials, console)
        result = {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "machine": machine(),
            "documents": options.documents,
            "corpus": name,
            "seed": options.seed,
            "trials": [asdict(one) for one in trials],
        }
        (RESULTS / f"{options.documents}-{name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
