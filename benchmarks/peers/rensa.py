"""rensa: as its README shows it (words, 128 permutations, threshold 0.8, LSH); tuned: clean input, threshold 0.4.

It keeps or drops each document; one that it drops goes to the earliest that it names as its duplicate.
"""

import rensa

from benchmarks.peers.documents import Groups, arguments, texts


def main() -> None:
    """Read a corpus and write which of its documents belong together."""
    options = arguments("Near-duplicates by rensa.")
    threshold = 0.4 if options.is_tuned else 0.8
    deduplicator = rensa.RMinHashDeduplicator(threshold=threshold, num_perm=128, use_lsh=True)
    groups = Groups()
    for batch in texts(options.corpus, is_clean=options.is_tuned):
        first = groups.add(len(batch))
        words = [text.split() for text in batch]
        is_kept = deduplicator.add_pairs((str(row), own) for row, own in enumerate(words, start=first))
        dropped = [at for at, kept in enumerate(is_kept) if not kept]
        for at, found in zip(dropped, deduplicator.get_duplicate_sets([words[at] for at in dropped]), strict=True):
            if found:
                groups.join(first + at, min(map(int, found)))
    groups.write(options.corpus, options.out)


if __name__ == "__main__":
    main()
