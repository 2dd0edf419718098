"""Which cause each differing row has.

A row belongs to a page, so a page that came, went, changed or was renamed explains its own rows. It explains rows of
other pages too that point at it, before or after: what repeats it, is clustered with it, overlaps with it or is related
to it. What no page explains is due to the settings if they differ, else to the code if that differs. If neither does,
only pages can have done it, and it is put down to the nearest one that changed: pages are near to each other if they
share passages or articles, or stand in one outlet, whose common words decide what is a repeat.
"""

from collections.abc import Mapping

import polars as pl

from flows.release.causes import CAUSES, SOURCE_ADDED, SOURCE_CHANGED, SOURCE_REMOVED, Default
from flows.release.changed_pages import changed_inputs, changed_pages, takedowns
from flows.release.compare import ADDED, CHANGED, REMOVED, Comparison, Held, Snapshot, TableChange, either

# Columns whose values depend on other pages. All others of a page follow from its bytes and what is known of it.
SHARED_COLUMNS = {
    "articles": ("unique_text", "cluster_id", "is_canonical"),
    "passages": ("is_kept", "drop_reason", "repeats_passage_id", "repeat_kind"),
}
# Steps from page to page over articles, passages and outlets that are followed.
MAX_DISTANCE = 8
# Pages that are named where no single one can be.
NAMED_PAGES = 3
# What ingest adds to the uri of a second file of one name.
TAKEN_NAME = r"#[0-9a-f]{16}$"

# What places a passage.
LINE = ("passage_id", "source_id", "article_id")

# Seed of the hashes of names of outlets, which are no ids.
OUTLET = 1

TEXT = pl.String()
Rows = Mapping[str, pl.DataFrame]
BECAUSE = {"id": TEXT, "because": pl.UInt32()}


def attributed(old: Snapshot, new: Snapshot, comparison: Comparison, default: Default) -> dict[str, pl.DataFrame]:
    """Find the cause of every row that came, went or changed.

    Args:
        old: the old release.
        new: the new release.
        comparison: how they differ.
        default: what differs beside pages.

    Returns:
        Table → `key, change, columns, cause, detail`: the rows of the comparison in their order. `detail` names the
        page, the takedown, the settings or the code.

    Raises:
        CopydeskError: a table cannot be read.
    """
    return _Attribution(old, new, comparison, default).tables()


class _Register:
    """Numbers for causes; of two that explain a row, the lower number goes first."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"cause": TEXT, "detail": TEXT})

    def numbered(self, found: pl.DataFrame) -> pl.DataFrame:
        """`id, because` of rows `id, cause, detail`; of several rows of one id, the first."""
        order = pl.col("cause").cast(pl.Enum(CAUSES))
        fresh = found.select("cause", "detail").unique().sort(order, "detail")
        numbers = fresh.with_row_index("because", offset=self._known.height)
        self._known = pl.concat([self._known, fresh])
        return (
            found.drop_nulls("id")
            .unique("id", keep="first", maintain_order=True)
            .join(numbers, on=["cause", "detail"], how="left", maintain_order="left")
            .select("id", "because")
        )

    def number(self, cause: str, detail: str) -> pl.Expr:
        """The number of one more cause."""
        found = self.numbered(pl.DataFrame({"id": ["only"], "cause": [cause], "detail": [detail]}))
        return pl.lit(found["because"][0], pl.UInt32)

    def named(self, because: pl.Series) -> pl.DataFrame:
        """`cause, detail` of numbers."""
        return self._known[because]


class _Attribution:
    """What explains the rows of two releases, as lookups `id, because` (the number of a cause)."""

    def __init__(self, old: Snapshot, new: Snapshot, comparison: Comparison, default: Default) -> None:
        self.old, self.new, self.comparison, self.default = old, new, comparison, default
        self.register = _Register()
        taken = takedowns(comparison)
        self.pages = self.register.numbered(changed_pages(old, new, comparison, default, taken))
        self.files = self.register.numbered(changed_inputs(old.manifest, new.manifest))
        self.taken = self.register.numbered(taken)
        self.places = self._both("articles", "article_id", "source_id")
        taken_articles = _carried(self.places, "article_id", self.taken, "article_id")
        lines = self._lines(source_id=self.pages, article_id=taken_articles, passage_id=self.taken)
        taken_parts = [
            taken_articles,
            _carried(lines, "passage_id", self.taken, "article_id"),
            _carried(self._both("quotes", "quote_id", "article_id"), "quote_id", self.taken, "article_id"),
            _carried(self._both("citations", "citation_id", "article_id"), "citation_id", self.taken, "article_id"),
        ]
        # What says the same as a part that was taken down goes from its page, too.
        taken_pages = _first(
            _carried(self.places, "article_id", _first(*taken_parts), "source_id"),
            _carried(lines, "passage_id", self.taken, "source_id"),
        )
        self.sources = _first(self.pages, taken_pages)
        self.articles = _first(
            _carried(self.places, "source_id", self.pages, "article_id"),
            *taken_parts,
            _carried(self.places, "source_id", taken_pages, "article_id"),
        )
        self.passages = _first(
            _carried(lines, "source_id", self.pages, "passage_id"),
            _carried(lines, "article_id", taken_articles, "passage_id"),
            _carried(lines, "passage_id", self.taken, "passage_id"),
            _carried(self._lines(source_id=taken_pages), "source_id", taken_pages, "passage_id"),
        )

    def tables(self) -> dict[str, pl.DataFrame]:
        """Table → its rows with their causes."""
        rows = {name: self._own(table) for name, table in self.comparison.tables.items()}
        for name, explain in (
            ("passages", self._passages),
            ("articles", self._articles),
            ("overlaps", self._overlaps),
            ("relations", self._relations),
            ("rejects", self._rejects),
        ):
            if name in rows:
                rows[name] = explain(rows)
        rows = {name: self._by_default(found) for name, found in rows.items()}
        if any(found["because"].null_count() for found in rows.values()):
            near = _reached(self._links(), self.sources.with_columns(pl.col("id").hash()))
            of_page = self.places.with_columns(pl.col("source_id").hash())
            articles = _carried(of_page, "source_id", near, "article_id")
            rows = {
                name: found.with_columns(because=self._nearest(name, near, articles)) for name, found in rows.items()
            }
        return {
            name: pl.concat(
                [found.select("key", "change", "columns"), self.register.named(found["because"])], how="horizontal"
            )
            for name, found in rows.items()
        }

    def _own(self, table: TableChange) -> pl.DataFrame:
        """A table's rows with what their own page, or their own takedown, explains.

        Returns:
            The rows of the comparison with `because`; `is_shared`: only values that depend on other pages differ;
            `is_of_columns`: the row is there, or differs, only because its table or a column came, went or changed.
        """
        own = [_by("article_id", self.articles), _by("source_id", self.pages)]
        by_table = {
            "sources": [_by("source_id", self.sources)],
            "articles": own[:1],
            "passages": [_by("passage_id", self.passages)],
            "evidence": own[:1],
            "quotes": [_by("quote_id", self.taken), *own],
            "citations": [_by("citation_id", self.taken), *own],
            "tombstones": [_by("id", self.taken)],
            "overlaps": [],
            "relations": [],
            "rejects": [],
        }
        other_columns = [*table.columns_added, *table.columns_removed, *table.columns_retyped]
        values = pl.col("columns").list.set_difference(other_columns).list
        not_shared = values.set_difference(list(SHARED_COLUMNS.get(table.name, ()))).list.len()
        is_changed = pl.col("change") == CHANGED
        is_of_columns = is_changed & (values.len() == 0)
        rows = table.rows.with_columns(
            is_shared=is_changed & ~is_of_columns & (not_shared == 0),
            is_of_columns=is_of_columns | pl.lit(table.is_new or table.is_gone),
        )
        explained = pl.coalesce(pl.lit(None, pl.UInt32), *by_table.get(table.name, own))
        return rows.with_columns(because=pl.when(~is_of_columns).then(explained))

    def _passages(self, rows: Rows) -> pl.DataFrame:
        """The passage that one repeats, or repeated, is another one now."""
        repeated = pl.when("is_shared").then(_by("repeats_passage_id", self.passages))
        return rows["passages"].with_columns(because=pl.coalesce("because", repeated))

    def _articles(self, rows: Rows) -> pl.DataFrame:
        """The canonical copy of an article's cluster is another one, or its passages repeat others now."""
        repeats = pl.DataFrame(schema=BECAUSE)
        if "passages" in rows:
            repeats = _least(rows["passages"].filter("is_shared").select("because", id="new_article_id"))
        shared = pl.when("is_shared").then(pl.coalesce(_by("cluster_id", self.articles), _by("article_id", repeats)))
        return rows["articles"].with_columns(because=pl.coalesce("because", shared))

    def _overlaps(self, rows: Rows) -> pl.DataFrame:
        """One of the two pages is another one, or that passage b overlapped with before or overlaps with now."""
        of_changed = _among("a_passage_id", self.passages["id"])
        pairs = self._both("overlaps", "a_passage_id", "b_passage_id", held=lambda part: part.filter(of_changed))
        rivals = _carried(pairs, "a_passage_id", self.passages, "b_passage_id")
        repeats = pl.DataFrame(schema=BECAUSE)
        if "passages" in rows:
            repeats = _least(rows["passages"].select("because", id="new_passage_id"))
        return rows["overlaps"].with_columns(
            because=pl.coalesce(
                "because",
                _by("b_passage_id", self.passages),
                _by("a_passage_id", self.passages),
                _by("b_passage_id", rivals),
                _by("b_passage_id", repeats),
                _by("a_passage_id", repeats),
            )
        )

    def _relations(self, rows: Rows) -> pl.DataFrame:
        """One of the two articles is another one, or what they share, or which one is canonical."""
        page = self.places.unique("article_id", keep="first", maintain_order=True)
        sides = [
            either(f"{side}_article_id").replace_strict(
                page["article_id"], page["source_id"], default=None, return_dtype=TEXT
            )
            for side in ("from", "to")
        ]
        shared = pl.DataFrame(schema=BECAUSE)
        if "overlaps" in rows:
            shared = _least(rows["overlaps"].select("because", id=_pair(either("a_source_id"), either("b_source_id"))))
        clustered = pl.DataFrame(schema=BECAUSE)
        if "articles" in rows:
            clustered = _least(rows["articles"].filter("is_shared").select("because", id="new_article_id"))
        return rows["relations"].with_columns(
            because=pl.coalesce(
                "because",
                _by("from_article_id", self.articles),
                _by("to_article_id", self.articles),
                _looked_up(_pair(*sides), shared),
                _by("from_article_id", clustered),
                _by("to_article_id", clustered),
            )
        )

    def _rejects(self, rows: Rows) -> pl.DataFrame:
        """The file came, went or changed; where nothing else differs, it must have, though no manifest lists it."""
        found = rows["rejects"]
        unlisted = pl.DataFrame(schema=BECAUSE)
        if not self.default:
            cause = pl.col("change").replace_strict(
                {ADDED: SOURCE_ADDED, REMOVED: SOURCE_REMOVED, CHANGED: SOURCE_CHANGED}
            )
            unlisted = self.register.numbered(found.select(id="key", cause=cause, detail=either("uri")))
        return found.with_columns(
            because=pl.coalesce(
                "because",
                _by("source_id", self.pages),
                _by("uri", self.files),
                _looked_up(either("uri").str.replace(TAKEN_NAME, ""), self.files),
                _looked_up(pl.col("key"), unlisted),
            )
        )

    def _by_default(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What no page explains is due to settings or code if they differ; columns are their doing anyway."""
        columns = self.register.number(*self.default.of_columns())
        values = self.register.number(*self.default.of_rows()) if self.default else pl.lit(None, pl.UInt32)
        default = pl.when("is_of_columns").then(columns).otherwise(values)
        return rows.with_columns(because=pl.coalesce("because", default))

    def _nearest(self, name: str, near: pl.DataFrame, articles: pl.DataFrame) -> pl.Expr:
        """The nearest page that changed, for the rows of a table that have no cause yet; else all of those pages.

        Args:
            name: the table.
            near: hash of a page → the nearest cause, as `_reached` finds it.
            articles: article → the same.
        """
        ways = {
            "overlaps": [_by_hash("b_source_id", near), _by_hash("a_source_id", near)],
            "relations": [_by("from_article_id", articles), _by("to_article_id", articles)],
            "evidence": [_by("article_id", articles)],
            "rejects": [_by_hash("source_id", near)],
            "tombstones": [],
        }
        return pl.coalesce("because", *ways.get(name, [_by_hash("source_id", near)]), self._any_page())

    def _links(self) -> pl.DataFrame:
        """`a, b`: hashes of pages that are near to each other in either release, both ways; an outlet counts as one."""
        page = self._pairs("articles", "article_id", "source_id")
        repeats = self._pairs("passages", "repeats_passage_id", "source_id")
        repeated = self._pairs("passages", "passage_id", "source_id", among=repeats["a"].unique().sort())
        relations = self._pairs("relations", "from_article_id", "to_article_id")
        links = [
            self._pairs("articles", "cluster_id", "source_id").join(page, on="a").select(a="b", b="b_right"),
            relations.join(page, on="a").select(a="b_right", to="b").join(page, left_on="to", right_on="a"),
            repeats.join(repeated, on="a").select(a="b", b="b_right"),
            self._pairs("overlaps", "a_source_id", "b_source_id"),
            *(self._pairs("articles", "source_id", outlet, seed=OUTLET) for outlet in ("publisher", "republisher")),
        ]
        one_way = pl.concat([rows.select("a", "b").unique() for rows in links]).filter(pl.col("a") != pl.col("b"))
        return pl.concat([one_way, one_way.select(a="b", b="a")])

    def _any_page(self) -> pl.Expr:
        """All pages that changed, the first of them by name; where there are none, nothing that is known."""
        found = self.sources.sort("because")["because"].unique(maintain_order=True)
        if found.is_empty():
            return self.register.number(*self.default.of_rows())
        named = self.register.named(found).filter(pl.col("cause") == pl.col("cause").first())
        pages = named["detail"].head(NAMED_PAGES).to_list()
        more = f" and {named.height - len(pages)} more" if named.height > len(pages) else ""
        return self.register.number(named["cause"][0], ", ".join(pages) + more)

    def _lines(self, **lookups: pl.DataFrame) -> pl.DataFrame:
        """`passage_id, source_id, article_id` of both releases, where one of these columns is in its lookup."""
        if all(lookup.is_empty() for lookup in lookups.values()):
            return pl.DataFrame(schema=dict.fromkeys(LINE, TEXT))
        where = pl.any_horizontal(_among(column, lookup["id"]) for column, lookup in lookups.items())
        return self._both("passages", *LINE, held=lambda part: part.filter(where))

    def _pairs(self, name: str, a: str, b: str, seed: int = 0, among: pl.Series | None = None) -> pl.DataFrame:
        """`a, b`: two text columns of a table of both releases as hashes of 64 bits, each pair that has both once.

        Names of millions of rows would not fit. That two of them get one hash is as good as impossible, and would give
        a row the cause of another page.

        Args:
            name: the table.
            a: the one column.
            b: the other one.
            seed: of the hashes of b, if its values are no ids.
            among: hashes, sorted, of which only those of a are wanted; by default all.
        """

        def held(part: pl.DataFrame) -> pl.DataFrame:
            known = part.drop_nulls().select(a=pl.col(a).hash(), b=pl.col(b).hash(seed))
            return (known if among is None else known.filter(_stands_in(known["a"], among))).unique()

        return self._both(name, a, b, held=held).unique()

    def _both(self, name: str, *columns: str, held: Held = lambda part: part) -> pl.DataFrame:
        """Text columns of a table of both releases, the new one first; `held` as for `Snapshot.columns`."""
        dtypes = dict.fromkeys(columns, TEXT)
        return pl.concat([release.columns(name, dtypes, held) for release in (self.new, self.old)])


def _reached(links: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """`id, because`: the pages that can be reached from some, each with the cause of the nearest.

    Args:
        links: `a, b`, both ways.
        seeds: `id, because`: where to start.
    """
    found = last = seeds
    for _ in range(MAX_DISTANCE):
        last = _carried(links, "a", last, "b").join(found, on="id", how="anti", maintain_order="left")
        if last.is_empty():
            break
        found = pl.concat([found, last])
    return found


def _carried(rows: pl.DataFrame, key: str, lookup: pl.DataFrame, target: str) -> pl.DataFrame:
    """`id, because`: a lookup by one column of some rows as a lookup by another; the first cause of each goes."""
    return _least(rows.select(key=key, id=target).join(lookup.rename({"id": "key"}), on="key").select("because", "id"))


def _least(found: pl.DataFrame) -> pl.DataFrame:
    """`id, because`: the first cause of each id, in any order; rows without one are left out."""
    return found.drop_nulls(["id", "because"]).group_by("id").agg(pl.col("because").min())


def _first(*lookups: pl.DataFrame) -> pl.DataFrame:
    """`id, because`: lookups in one; what stands in an earlier one goes first."""
    return pl.concat(lookups).unique("id", keep="first", maintain_order=True)


def _among(column: str, values: pl.Series) -> pl.Expr:
    """Whether a column has one of some values."""
    return pl.col(column).is_in(values.unique().implode())


def _stands_in(values: pl.Series, found: pl.Series) -> pl.Series:
    """Whether each value is among those found, which are sorted."""
    if found.is_empty():
        return values.is_null()
    return found.gather(found.search_sorted(values).clip(0, found.len() - 1)) == values


def _by_hash(column: str, lookup: pl.DataFrame) -> pl.Expr:
    """The same as `_by` of a lookup by hashes."""
    return pl.coalesce(_looked_up(pl.col(f"{side}_{column}").hash(), lookup) for side in ("new", "old"))


def _by(column: str, lookup: pl.DataFrame) -> pl.Expr:
    """What a lookup says of a column of the new row, else of the old one."""
    return pl.coalesce(_looked_up(pl.col(f"{side}_{column}"), lookup) for side in ("new", "old"))


def _looked_up(value: pl.Expr, lookup: pl.DataFrame) -> pl.Expr:
    return value.replace_strict(lookup["id"], lookup["because"], default=None, return_dtype=pl.UInt32)


def _pair(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """A name for two pages, whichever goes first."""
    return pl.concat_str(pl.min_horizontal(one, other), pl.lit(" "), pl.max_horizontal(one, other))
