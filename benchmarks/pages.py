"""Made-up news pages, as many as are asked for."""

import random
from collections.abc import Iterator

import polars as pl

OUTLETS = 50
SYLLABLES = tuple(a + b for a in "bdfghjklmnprstvwxz" for b in "aeiou")
COPY_SHARE = 0.1


def made_up_pages(count: int, rng: random.Random) -> pl.DataFrame:
    """Pages of invented outlets in invented words.

    Returns:
        `uri, text`: one row per page.
    """
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    bodies: list[list[str]] = []
    rows = []
    for number in range(count):
        is_copy = bodies and rng.random() < COPY_SHARE
        body = rng.choice(bodies) if is_copy else list(_paragraphs(rng, words, weights))
        bodies.append(body)
        rows.append((f"page-{number:07}.html", _page(rng, words, body)))
    return pl.DataFrame(rows, schema={"uri": pl.String, "text": pl.String}, orient="row")


def _paragraphs(rng: random.Random, words: list[str], weights: list[float]) -> Iterator[str]:
    for _ in range(rng.randint(4, 12)):
        sentences = (
            " ".join(rng.choices(words, weights, k=rng.randint(8, 24))).capitalize() for _ in range(rng.randint(1, 4))
        )
        yield ". ".join(sentences) + "."


def _page(rng: random.Random, words: list[str], body: list[str]) -> str:
    outlet = f"Outlet {rng.randrange(OUTLETS)} Daily"
    title = " ".join(rng.choices(words, k=7)).capitalize()
    author = " ".join(word.capitalize() for word in rng.choices(words, k=2))
    head = ["Home | News | Sport | Weather", title, f"By {author}", f"March {rng.randint(1, 28)}, 2025"]
    foot = ["Sign up for our newsletter to get the news in your inbox.", f"© 2025 {outlet}. All rights reserved."]
    return "\n\n".join([*head, *body, *foot])
