"""What the README and the other pages for people say is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_examples_run(example):
    subprocess.run([sys.executable, "-c", example], cwd=ROOT, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_makefile_helps_with_every_target_that_the_readme_names():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pages = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)\b|`make ([a-z-]+)`", pages, re.MULTILINE):
        name = "".join(target)
        assert re.search(rf"^{name}:.*## ", makefile, re.MULTILINE), name


def test_the_lock_holds_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")
