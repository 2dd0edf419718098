"""Near-duplicates: how long, how much memory, how right, on a corpus of `benchmarks.corpus`.

python -m benchmarks.near corpus.parquet
"""

import argparse
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from flows.deduplicate.near import clusters, near_duplicates
from flows.settings import Settings


@dataclass(frozen=True)
class Accuracy:
    """How right a clustering is; pairs are pairs of documents in one cluster.

    Attributes:
        precision: share of the pairs found that are copies.
        recall: share of the pairs of copies that are found.
        f1: harmonic mean of both.
        recall_by_kind: recall of the pairs that have a document of this kind.
        false_pairs: pairs found that are no copies.
        false_pairs_of_outlet: those of them that share an outlet, and so its furniture.
        hard_negatives: documents made to look like a copy of another story.
        merged_hard_negatives: those of them in a cluster with that story.
        forms: documents that fill in a form.
        merged_forms: those of them in a cluster with another filling.
    """

    precision: float
    recall: float
    f1: float
    recall_by_kind: dict[str, float]
    false_pairs: int
    false_pairs_of_outlet: int
    hard_negatives: int
    merged_hard_negatives: int
    forms: int
    merged_forms: int


def accuracy(truth: pl.DataFrame, found: pl.DataFrame) -> Accuracy:
    """Judge a clustering.

    Args:
        truth: `id, story, kind, model, outlet`.
        found: `id, cluster_id`; a document that is not there is its own cluster.
    """
    both = truth.join(found, on="id", how="left").with_columns(pl.coalesce("cluster_id", "id").alias("cluster_id"))
    others = pl.len().cast(pl.Int64) - 1
    both = both.with_columns(
        true=others.over("story"),
        found=others.over("cluster_id"),
        right=others.over("story", "cluster_id"),
        of_outlet=others.over("cluster_id", "outlet") - others.over("story", "cluster_id", "outlet"),
    )
    right, true, said = (int(both[name].sum()) // 2 for name in ("right", "true", "found"))
    precision = right / said if said else 1.0
    recall = right / true if true else 1.0
    kinds = both.group_by("kind").agg(pl.col("right").sum(), pl.col("true").sum()).filter(pl.col("true") > 0)
    by_kind = dict(kinds.select("kind", pl.col("right") / pl.col("true")).sort("kind").rows())
    hard = both.filter(pl.col("model") >= 0)
    merged = hard.join(both.select("cluster_id", model="story").unique(), on=["cluster_id", "model"], how="semi")
    forms = both.filter(pl.col("model") < -1)
    return Accuracy(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        recall_by_kind=by_kind,
        false_pairs=said - right,
        false_pairs_of_outlet=int(both["of_outlet"].sum()) // 2,
        hard_negatives=hard.height,
        merged_hard_negatives=merged.height,
        forms=forms.height,
        merged_forms=forms.filter(pl.col("found") > pl.col("right")).height,
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description="Measure near_duplicates on a corpus with known truth.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--memory", type=int, default=None, help="deduplicate_memory_bytes")
    options = parser.parse_args(arguments)
    settings = Settings() if options.memory is None else Settings(deduplicate_memory_bytes=options.memory)
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    edges = near_duplicates(pl.scan_parquet(options.corpus).select("id", "text", "publisher"), settings)
    found = clusters(edges)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    truth = pl.read_parquet(options.corpus, columns=["id", "story", "kind", "model", "outlet"])
    judged = accuracy(truth, found)
    print(f"documents               {truth.height}")
    print(f"edges                   {edges.height}")
    print(f"wall                    {wall:.2f} s")
    print(f"cpu                     {after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.2f} s")
    print(f"peak memory             {after.ru_maxrss / 1e6:.2f} GB")
    for name, value in asdict(judged).items():
        if isinstance(value, dict):
            for kind, share in value.items():
                print(f"  recall {kind:<15}{share:.4f}")
        else:
            print(f"{name:<24}{value:.5f}" if isinstance(value, float) else f"{name:<24}{value}")


if __name__ == "__main__":
    main()
