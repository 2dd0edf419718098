"""The command line. Commands that run no flow do not import Prefect, so that they answer at once."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from flows.errors import CopydeskError, UsageError
from flows.imports import without_collection
from flows.output import Output
from flows.runners import RUNNERS, THREADS, Runner
from flows.stopping import stop_on_sigterm, stop_quietly, was_stopped

if TYPE_CHECKING:
    from flows.pipeline import Built
    from flows.publish.hub import Published
    from flows.server import EmbeddedServer

DEFAULT_SOURCE = "seeds"

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

OUTCOMES = {
    "published": "published {tag}, {edition} edition",
    "finished": "finished {tag}, {edition} edition: its files were there already, its tag was not",
    "unchanged": "nothing to do: {tag}, {edition} edition, is there already; no commit was made",
}

EPILOG = """\b
Exit codes:
  0  done, or nothing to do
  1  no release came of it, a check failed, or something could not be found
  2  wrong usage (also: a version that exists or understates the change)
  3  another run holds the lock
  4  the Hub or the network failed: try again
  5  refused: other content under the same version, the remote moved, reserved text, token, rights
"""


def _build_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that builds releases."""
    options = (
        click.option(
            "--release-version", metavar="V", help="Version of the release, MAJOR.MINOR.PATCH; computed by default."
        ),
        click.option(
            "--release-date",
            metavar="YYYY-MM-DD",
            type=click.DateTime(["%Y-%m-%d"]),
            help="Date of the release; the newest date in the inputs by default.",
        ),
        click.option(
            "--column",
            "columns",
            metavar="OURS=THEIRS",
            multiple=True,
            help="Where records keep a value: text, uri, publisher, published_date or retrieved_at. Repeatable.",
        ),
        click.option(
            "--settings", "settings_file", metavar="FILE.toml", type=click.Path(path_type=Path), help="Settings file."
        ),
        click.option(
            "--set", "overrides", metavar="NAME=VALUE", multiple=True, help="One setting, in TOML. Repeatable."
        ),
        click.option(
            "--takedowns",
            metavar="FILE.toml",
            type=click.Path(path_type=Path),
            help="What must not be released; by default every takedowns.toml beside the documents.",
        ),
        click.option(
            "--state",
            metavar="DIR",
            type=click.Path(path_type=Path),
            help="Where builds keep what makes the next one faster, by default .state in --out; it may be deleted.",
        ),
        click.option(
            "--work",
            "place",
            metavar="DIR|URL",
            help="Where the tables that tasks pass on lie meanwhile, by default in --out: a folder that all workers "
            "share, or the address of one in a store.",
        ),
        click.option(
            "--runner",
            default=THREADS,
            show_default=True,
            type=click.Choice(RUNNERS),
            help="What works: threads of this process, processes of this machine, or a Dask cluster.",
        ),
        click.option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            help="The Dask cluster; by default one on this machine, for this run. Its workers share --out or --work.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


_private = click.option(
    "--private/--public",
    "is_private",
    default=None,
    help="How to create the repository, private by default. One that exists must be like that.",
)

_column = click.option(
    "--column",
    "columns",
    metavar="OURS=THEIRS",
    multiple=True,
    help="Where records keep a value, as it was given to build. Repeatable.",
)

_include_reserved_text = click.option(
    "--include-reserved-text",
    is_flag=True,
    help="Send all texts to a public repository, also those whose rights are reserved or unknown. "
    "Giving these away may break the law.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(version("copydesk"), prog_name="copydesk")
def cli() -> None:
    """Turn scraped, syndicated, translated and rewritten news into a dataset that can be cited."""


@cli.command(epilog=EPILOG)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--out",
    default="dist",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of releases.",
)
@_build_options
@click.option("--verbose", is_flag=True, help="Show what Prefect logs.")
def build(
    sources: tuple[str, ...],
    out: Path,
    release_version: str | None,
    release_date: datetime | None,
    columns: tuple[str, ...],
    settings_file: Path | None,
    overrides: tuple[str, ...],
    takedowns: Path | None,
    state: Path | None,
    place: str | None,
    runner: str,
    scheduler: str | None,
    verbose: bool,
) -> None:
    """Build a release from SOURCEs: files, folders, patterns or addresses (by default the folder seeds).

    Reads .txt, .jsonl, .jsonl.gz and .parquet. What cannot be read is listed in the table rejects with its reason, and
    the rest is released. The same rows as in the newest release make no new one.
    """
    from flows.addresses import checked_address
    from flows.release import versions
    from flows.settings import Settings

    if not sources and not Path(DEFAULT_SOURCE).is_dir():
        raise UsageError(f"no SOURCE given, and there is no folder {DEFAULT_SOURCE} here; see copydesk build --help")
    Runner.of(runner, scheduler)
    settings = Settings.load(settings_file, overrides)
    if release_version is not None:
        versions.parse(release_version)
    renamed = _renamed(columns)
    places = [checked_address(source) for source in sources] or [DEFAULT_SOURCE]
    work = None if place is None else checked_address(place)
    click.echo("starting Prefect …")
    built = _run_build(
        {
            "sources": places,
            "out": str(out),
            "settings": settings.model_dump(),
            "columns": renamed,
            "release_version": release_version,
            "release_date": None if release_date is None else release_date.date().isoformat(),
            "takedowns": None if takedowns is None else str(takedowns),
            "state": None if state is None else str(state),
            "work": work,
            "runner": runner,
            "scheduler": scheduler,
        },
        verbose=verbose,
    )

    import polars as pl
    from rich.console import Console

    from flows.release.parquet import table_files
    from flows.release.show import summary
    from schemas.tables import TABLES

    for warning in built.warnings:
        print_error(f"warning: {warning}")
    tables = {name: pl.scan_parquet(table_files(built.released.path, name), glob=False) for name in TABLES}
    summary(tables, built.counts, built.released, Console(highlight=False, markup=False, emoji=False))


def _run_build(parameters: dict[str, Any], *, verbose: bool) -> "Built":
    """Run the flow `build`."""
    with _server(verbose=verbose) as server:
        with without_collection():
            from flows.pipeline import run_build

        _show_progress()
        return run_build(server, **parameters)


def _run_publish(parameters: dict[str, Any], *, verbose: bool) -> "Published":
    """Run the flow `publish`."""
    with _server(verbose=verbose) as server:
        with without_collection():
            from flows.pipeline import run_publish

        _show_progress()
        return run_publish(server, **parameters)


@contextmanager
def _server(*, verbose: bool) -> Iterator["EmbeddedServer | None"]:
    """A server for a flow, unless one is configured."""
    from flows.server import EmbeddedServer

    if not verbose:
        # What Prefect has to say is in its own database; a failed task's stack trace helps nobody with a bad file.
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
        # Nor what its threads could not tell a server that has ended: that it has is an error of ours, in one line.
        os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
        logging.raiseExceptions = False
    with EmbeddedServer() if "PREFECT_API_URL" not in os.environ else nullcontext() as server:
        yield server


@cli.command(epilog=EPILOG)
@click.argument("release", type=click.Path(path_type=Path))
@click.option("--repo", required=True, metavar="[OWNER/]NAME", help="Repository of data on the Hub.")
@_private
@click.option("--dry-run", is_flag=True, help="Only read, and print a line a file: what would happen to it.")
@_include_reserved_text
@click.option("--verbose", is_flag=True, help="Show what Prefect logs.")
def publish(
    release: Path, repo: str, is_private: bool | None, dry_run: bool, include_reserved_text: bool, verbose: bool
) -> None:
    """Publish a RELEASE to the Hugging Face Hub, as a version that is there whole or not at all.

    A private repository gets the full release, a public one the edition without reserved text. The token is the hub
    client's: HF_TOKEN, or `hf auth login`. Publishing what is there already sends nothing.
    """
    from flows.publish.repository import checked_name

    name = checked_name(repo)  # before what takes seconds to import
    from flows import publishing

    publishing.edition_in(release)
    visibility = None if is_private is None else "private" if is_private else "public"
    if dry_run:
        publishing.check_release(release)
        edition, place, plan = publishing.planned(
            release, name, visibility, include_reserved_text=include_reserved_text
        )
        for change in plan.changes:
            click.echo(f"{change.kind:<6} {_harmless(change.path)} {change.byte_count}")
        if plan.state is None:
            place += f", a {visibility or 'private'} repository that is to be created"
        else:
            place += f", a {'private' if plan.state.is_private else 'public'} repository"
        print_error(f"dry run: {edition.tag}, {edition.name} edition, to {place}")
        return
    click.echo("starting Prefect …")
    published = _run_publish(
        {
            "release": str(release),
            "repo": name,
            "visibility": visibility,
            "include_reserved_text": include_reserved_text,
        },
        verbose=verbose,
    )
    click.echo(OUTCOMES[published.outcome].format(tag=published.tag, edition=published.edition))
    click.echo(published.address)
    click.echo("")
    click.echo("from datasets import load_dataset")
    click.echo(
        f'{published.configuration} = load_dataset("{published.repository}", revision="{published.tag}", split="train")'
    )


@cli.command()
@click.argument("release", type=click.Path(path_type=Path))
@click.argument("what", metavar="TABLE")
def show(release: Path, what: str) -> None:
    """Print a TABLE of a RELEASE for a person to read.

    `overlaps` shows the pairs of passages side by side, `rejects` what was turned away and what to do about it. Of a
    long table the first rows are shown. Exit codes: 0; 1 no such release or table.
    """
    from rich.console import Console

    from flows.release.show import show as show_table

    show_table(release, what, Console(highlight=False, markup=False, emoji=False))


@cli.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print every changed row as JSON.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Tell what changed from the release OLD to the release NEW, table by table, and why.

    Exit codes: 0, whether or not they differ; 1 no such release, or one that cannot be read.
    """
    from rich.console import Console

    from flows.release.diff import diff as diff_of
    from flows.release.diff import show_diff

    _show_progress(sys.stderr)
    found = diff_of(old, new)
    if as_json:
        click.echo(found.as_json())
    else:
        show_diff(found, Console(highlight=False, markup=False, emoji=False))


@cli.command(epilog=EPILOG)
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "--sources",
    "paths",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What the release was built from: file or folder, compared byte for byte. Repeatable.",
)
@_column
@click.option("--json", "as_json", is_flag=True, help="Print the failures as JSON.")
def verify(release: Path, paths: tuple[Path, ...], columns: tuple[str, ...], as_json: bool) -> None:
    """Check a RELEASE: its files, manifest and card, every row, and the releases beside it.

    Each file that fails has a line that begins with FAIL, and the exit code is 1.
    """
    from rich.console import Console

    from flows.release.verify import findings
    from flows.verify import verify as verify_release

    _show_progress(sys.stderr)
    verified = verify_release(release, paths, _renamed(columns) or None)
    if as_json:
        click.echo(findings.as_json(verified))
    else:
        findings.print_verified(verified, Console(highlight=False, markup=False, emoji=False))
    if not verified.is_ok:
        click.get_current_context().exit(CopydeskError.exit_code)


@cli.command(epilog=EPILOG)
@click.argument("release", type=click.Path(path_type=Path))
@click.argument("key", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON.")
def explain(release: Path, key: str, as_json: bool) -> None:
    """Follow a row of a RELEASE back to the bytes of its source, and name the rows that refer to it.

    ID names a source, article, passage or reject, or what was taken down. A row of a table whose key has several
    parts is named by these, joined by a slash: ARTICLE/FIELD for evidence, PASSAGE/PASSAGE for an overlap,
    ARTICLE/ARTICLE for relations.
    """
    from rich.console import Console

    from flows.release import explain as explaining

    steps = explaining.explain(release, key)
    if as_json:
        click.echo(explaining.as_json(steps))
    else:
        explaining.print_steps(steps, Console(highlight=False, markup=False, emoji=False))


@cli.command(epilog=EPILOG)
@click.option(
    "--source",
    "sources",
    metavar="SOURCE",
    multiple=True,
    required=True,
    help="The inbox: a folder, file, pattern or address that is looked at in every run. Repeatable.",
)
@click.option(
    "--out",
    default="dist",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of releases, and of the runs' records.",
)
@click.option("--cron", "cron_expression", metavar="EXPRESSION", help="When to run, as in '30 2 * * *'.")
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Time zone of --cron.")
@click.option("--interval", metavar="TIME", help="How often to run instead: seconds, or as in 15m, 6h, 1d.")
@click.option("--repo", metavar="[OWNER/]NAME", help="Publish every new release to this repository of data on the Hub.")
@_private
@_include_reserved_text
@click.option(
    "--settle",
    default=5.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="A file that changed within so many seconds waits for the next run.",
)
@click.option(
    "--notify",
    "addresses",
    metavar="URL",
    multiple=True,
    help="Whom to tell what is worth it, as an apprise address; also COPYDESK_NOTIFY. Repeatable.",
)
@_build_options
@click.option("--verbose", is_flag=True, help="Show what Prefect logs.")
def serve(
    sources: tuple[str, ...],
    out: Path,
    cron_expression: str | None,
    timezone: str,
    interval: str | None,
    repo: str | None,
    is_private: bool | None,
    include_reserved_text: bool,
    settle: float,
    addresses: tuple[str, ...],
    release_version: str | None,
    release_date: datetime | None,
    columns: tuple[str, ...],
    settings_file: Path | None,
    overrides: tuple[str, ...],
    takedowns: Path | None,
    state: Path | None,
    place: str | None,
    runner: str,
    scheduler: str | None,
    verbose: bool,
) -> None:
    """Build, and publish with --repo, by a schedule: whatever is new in the inbox, until the command is ended.

    The files of the inbox stay as they are. Every run leaves a record in DIR/.runs; one with nothing
    new makes no release.
    """
    stop_quietly()
    from flows.addresses import absolute, checked_address, is_address
    from flows.ingest.inputs import check_apart
    from flows.release import versions
    from flows.settings import Settings

    settings = Settings.load(settings_file, overrides)
    if release_version is not None:
        versions.parse(release_version)
    renamed = _renamed(columns)
    Runner.of(runner, scheduler)
    places = [absolute(checked_address(source)) for source in sources]
    work = None if place is None else absolute(checked_address(place))
    apart = [out] if state is None else [out, state]
    check_apart((source for source in places if not is_address(source)), apart)
    if (cron_expression is None) == (interval is None):
        raise UsageError("give either --cron or --interval")
    seconds = None if interval is None else _seconds(interval)
    if repo is not None:
        from flows.publish.repository import checked_name

        repo = checked_name(repo)
    if not verbose:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    click.echo("starting Prefect …")
    from flows import deploy, notices

    wrong = notices.check_addresses(addresses)
    if wrong:
        raise UsageError(
            f"--notify number {wrong[0]} is no address that apprise knows (it is not shown: it may hold a password)"
        )
    try:
        schedule = deploy.interval(seconds) if seconds else deploy.cron(str(cron_expression), timezone)
    except ValueError as error:
        raise UsageError(f"--cron {cron_expression}, --timezone {timezone}: no such time") from error
    _show_progress()
    deploy.serve(
        schedule,
        {
            "sources": places,
            "out": str(out.absolute()),
            "settings": settings.model_dump(),
            "columns": renamed,
            "release_version": release_version,
            "release_date": None if release_date is None else release_date.date().isoformat(),
            "takedowns": None if takedowns is None else str(takedowns.absolute()),
            "state": None if state is None else str(state.absolute()),
            "work": work,
            "runner": runner,
            "scheduler": scheduler,
            "repo": repo,
            "visibility": None if is_private is None else "private" if is_private else "public",
            "include_reserved_text": include_reserved_text,
            "settle": settle,
        },
        addresses,
        lambda name: click.echo(f"serving {name}"),
    )


@cli.command(epilog=EPILOG)
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write; it must not exist.",
)
def edition(release: Path, out: Path) -> None:
    """Write the public edition of a RELEASE: without the texts whose rights are reserved or unknown.

    It is what publish sends to a public repository. Its card says what is withheld and why.
    """
    from flows.edition import public_edition
    from flows.release.harmless import plain_line

    _show_progress(sys.stderr)
    public_edition(release, out)
    click.echo(f"public edition of {plain_line(release)}: {plain_line(out)}")


@cli.command(epilog=EPILOG)
@click.argument("edition", type=click.Path(path_type=Path))
@click.option(
    "--sources",
    "paths",
    required=True,
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What the release was built from: file or folder. Repeatable.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write; it must not exist.",
)
@_column
def hydrate(edition: Path, paths: tuple[Path, ...], out: Path, columns: tuple[str, ...]) -> None:
    """Fill in the texts that a public EDITION withholds, from the pages that it was made of.

    Each text is checked against its hash. What is not found, or has another hash, is named on a line that begins with
    MISSING; the rest is written all the same, and the exit code is 1.
    """
    from flows.hydrate import hydrate as hydrated
    from flows.release.harmless import plain_line

    _show_progress(sys.stderr)
    result = hydrated(edition, paths, out, _renamed(columns) or None)
    for line in result.missing:
        click.echo(f"MISSING {plain_line(line)}")
    for line in result.notes:
        click.echo(f"note  {plain_line(line)}")
    if result.is_whole:
        click.echo(f"{result.filled_count:,} texts filled in; the full release: {plain_line(out)}")
    else:
        click.echo(f"{result.filled_count:,} texts filled in, {result.withheld_count:,} not; tables: {plain_line(out)}")
        click.get_current_context().exit(CopydeskError.exit_code)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; errors that a person can act on become one to three lines and an exit code."""
    stop_on_sigterm()
    try:
        _run_command(arguments)
    except BaseException as error:
        is_done = isinstance(error, SystemExit) and not error.code
        if not is_done and was_stopped():
            # A flow that is ended in the middle may come back as one that failed.
            sys.exit(128 + signal.SIGTERM)
        raise


def _run_command(arguments: Sequence[str] | None) -> NoReturn:
    output = Output()
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _check_encoding(words)
        code = cli.main(args=words, prog_name="copydesk", standalone_mode=False)
        output.finish()
    except CopydeskError as error:
        print_error(f"copydesk: {error}")
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(UsageError.exit_code)
    except click.UsageError as error:
        print_error(f"copydesk: {error.format_message()}")
        print_error(f"See {error.ctx.command_path if error.ctx else 'copydesk'} --help")
        sys.exit(UsageError.exit_code)
    except click.Abort:
        print_error("copydesk: interrupted")
        sys.exit(130)
    except OSError as error:
        print_error(f"copydesk: {'' if error.filename is None else f'{error.filename}: '}{error.strerror or error}")
        sys.exit(CopydeskError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _check_encoding(words: Sequence[str]) -> None:
    """Refuse names that are not UTF-8: neither Prefect nor the readers of Parquet take a file or folder by such a one.

    Raises:
        UsageError: one of the words is not.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{word}: this is not UTF-8; give the file or folder another name") from error


def print_error(line: str) -> None:
    """Print to stderr, so that what is asked for stands alone on stdout; no character that steers a terminal."""
    click.echo("\n".join(_harmless(one) for one in line.split("\n")), err=True)


def _harmless(line: str) -> str:
    """A line without characters that steer a terminal."""
    return "".join(character if character.isprintable() else "�" for character in line)


def _renamed(columns: Sequence[str]) -> dict[str, str]:
    """Our column of a record → its name there, from the values of --column."""
    renamed = {}
    for column in columns:
        ours, equals, theirs = column.partition("=")
        if not (ours and equals and theirs):
            raise UsageError(f"--column {column}: expected OURS=THEIRS")
        renamed[ours] = theirs
    return renamed


def _seconds(text: str) -> float:
    """A span of time: seconds, or a number with s, m, h or d."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        seconds = float(number) * UNITS[unit]
    except ValueError as error:
        raise UsageError(f"--interval {text}: expected seconds, or as in 15m, 6h, 1d") from error
    if not 1 <= seconds <= 366 * UNITS["d"]:
        raise UsageError(f"--interval {text}: expected a second to a year")
    return seconds


def _show_progress(stream: TextIO | None = None) -> None:
    """Send what the stages report to a stream, by default stdout, and keep Prefect from printing it twice."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("copydesk")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
