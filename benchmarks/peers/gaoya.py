"""gaoya: as its README shows it (words, 42 bands of 3, threshold 0.5); tuned: clean input, pairs of words, 64 x 2, 0.3.

Every document goes together with all that the index finds for it.
"""

import gaoya

from benchmarks.peers.documents import Groups, arguments, texts


def main() -> None:
    """Read a corpus and write which of its documents belong together."""
    options = arguments("Near-duplicates by gaoya.")
    threshold, bands, band_size, words = (0.3, 64, 2, 2) if options.is_tuned else (0.5, 42, 3, 1)
    index = gaoya.minhash.MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=threshold,
        num_bands=bands,
        band_size=band_size,
        num_hashes=bands * band_size,
        analyzer="word",
        lowercase=True,
        ngram_range=(words, words),
    )
    groups = Groups()
    for batch in texts(options.corpus, is_clean=options.is_tuned):
        first = groups.add(len(batch))
        index.par_bulk_insert_docs(list(range(first, first + len(batch))), batch)
    row = 0
    for batch in texts(options.corpus, is_clean=options.is_tuned):
        for found in index.par_bulk_query(batch):
            for other in found:
                groups.join(row, other)
            row += 1
    groups.write(options.corpus, options.out)


if __name__ == "__main__":
    main()
