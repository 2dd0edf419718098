"""The one-way street: stages meet only in tables, and each outside world has one door."""

import ast
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = ("ingest", "normalize", "extract", "takedown", "deduplicate", "validate", "release", "publish")
PREFECT_MAY = {"flows/pipeline.py", "flows/deploy.py"}


# Relative path of every module of the packages.
MODULES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("flows/**/*.py"), *ROOT.glob("schemas/**/*.py"))
)


@cache
def imports_of(path: str) -> set[str]:
    """The modules that a module imports, wherever in it."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            imported |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return imported


def stage_of(path: str) -> str | None:
    parts = path.split("/")
    return parts[1] if parts[0] == "flows" and len(parts) > 2 and parts[1] in STAGES else None


def imports_package(imported: set[str], package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imported)


@pytest.mark.parametrize("path", MODULES)
def test_a_stage_imports_no_other_stage(path):
    own = stage_of(path)
    if own is None:
        return
    others = [stage for stage in STAGES if stage != own and imports_package(imports_of(path), f"flows.{stage}")]
    assert not others, f"{path} imports the stage {', '.join(others)}: stages meet only in tables"


@pytest.mark.parametrize("path", MODULES)
def test_only_the_pipeline_imports_prefect(path):
    assert path in PREFECT_MAY or not any(
        imports_package(imports_of(path), name) for name in ("prefect", "prefect_dask")
    )


@pytest.mark.parametrize("path", MODULES)
def test_only_publish_talks_to_the_hub(path):
    assert stage_of(path) == "publish" or not imports_package(imports_of(path), "huggingface_hub")


@pytest.mark.parametrize("path", [path for path in MODULES if path.startswith("schemas/")])
def test_schemas_import_nothing_of_flows(path):
    assert not imports_package(imports_of(path), "flows")


def test_the_walk_sees_imports_inside_functions():
    assert imports_package(imports_of("flows/cli.py"), "flows.pipeline")


def test_what_is_imported_is_declared():
    """Every package that the code imports is a dependency of its own, not one that another happens to bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {line.split("[")[0].split(">")[0].split("<")[0].split("=")[0].strip().lower() for line in declared}
    distributions = {
        "yaml": "pyyaml",
        "huggingface_hub": "huggingface-hub",
        "markupsafe": "jinja2",
        "prefect_dask": "prefect-dask",
    }
    import sys

    own = {"flows", "schemas"}
    third_party = {
        name.split(".")[0]
        for path in MODULES
        for name in imports_of(path)
        if name.split(".")[0] not in sys.stdlib_module_names | own
    }
    assert {distributions.get(name, name) for name in third_party} <= names


def test_files_stay_small():
    import subprocess

    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in tracked.stdout.decode().split("\0") if name]
    assert [path for path in files if path.is_file() and path.stat().st_size > 1_500_000] == []
