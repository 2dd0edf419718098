"""datasketch: MinHashLSH as its documentation shows it (128 permutations, threshold 0.5), on shingles of five words.

The documentation takes single words of a sentence; of whole articles these put half of a corpus together.
"""

from datasketch import MinHash, MinHashLSH

from benchmarks.peers.documents import Groups, arguments, shingles, texts

SHINGLE_WORDS = 5


def main() -> None:
    """Read a corpus and write which of its documents belong together."""
    options = arguments("Near-duplicates by datasketch.")
    index = MinHashLSH(threshold=0.5, num_perm=128)
    groups = Groups()
    for batch in texts(options.corpus):
        first = groups.add(len(batch))
        sets = [[shingle.encode() for shingle in set(shingles(text, SHINGLE_WORDS))] for text in batch]
        for row, sketch in enumerate(MinHash.generator(sets, num_perm=128), start=first):
            for other in index.query(sketch):
                groups.join(row, other)
            index.insert(row, sketch)
    groups.write(options.corpus, options.out)


if __name__ == "__main__":
    main()
