"""Publisher profiles: data that anybody can write, and that fails loudly when it is wrong."""

import re
from pathlib import Path

import pytest

from flows.errors import CopydeskError
from flows.normalize.general.all_rules import GENERAL_RULES
from flows.normalize.profiles import FOLDER, Profile, UrlDate, is_pattern, load_profiles
from flows.normalize.rules import Rule
from tests.normalize_pages import article_of, texts_with

TEN_LINES = """\
name = "The Fogbound Gazette"
aliases = ["Fogbound Gazette"]
detect = ['^The Fogbound Gazette$']
original_language = "cy"

[[rules]]
name = "tide_table"
role = "navigation"
pattern = '^High water .+$'
"""
PAGE = """The Fogbound Gazette

The ferry is late again today

By Ada Quill

The ferry of Port Almond was late again on Friday, and nobody in the queue was surprised by that.

High water 10:15, low water 16:40 at the old pier

The company said that it would look into the matter, as it had said in the three years before.
"""


def written(folder: Path, content: str, name: str = "fogbound.toml") -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_a_profile_of_ten_lines_is_enough(tmp_path: Path):
    profiles = load_profiles(written(tmp_path, TEN_LINES))
    article = article_of(PAGE, profiles)

    assert article["publisher"] == "The Fogbound Gazette"
    assert article["translated_from"] == "cy"
    assert "High water" not in article["text"]
    assert texts_with("navigation", PAGE, profiles)[-1] == "High water 10:15, low water 16:40 at the old pier"
    assert "High water" in article_of(PAGE, ())["text"]
    assert article_of(PAGE, ())["publisher"] is None


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ('name = "A Gazette"', "detect"),
        ("detect = []", "detect"),
        ("detect = ['a(']", "detect.0"),
        ("detect = ['a(?=b)']", "detect.0"),
        ("detect = ['a']\ncolour = 'red'", "colour"),
        ("detect = ['a']\npage_of = 'nobody'", "page_of"),
        ("detect = ['a']\noriginal_language = 'Welsh'", "original_language"),
        ("detect = ['a']\n[url_date]\npattern = 'x(\\d+)'\ntime_zone = 'UTC'", "url_date.pattern"),
        ("detect = ['a']\n[url_date]\npattern = '(?P<id>\\d+)'\ntime_zone = 'Fog/Pier'", "url_date.time_zone"),
        ("detect = ['a']\n[[rules]]\nrole = 'fog'\npattern = 'b'", "rules.0"),
        ("detect = ['a']\n[[rules]]\nrole = 'body'\npattern = 'b['", "rules.0.pattern"),
        ("detect = ['a']\n[[rules]]\nrole = 'body'\npattern = 'b'\nuntil = 'c('", "rules.0.until"),
        ("detect = ['a']\n[[rules]]\nrole = 'body'\npattern = 'b'\nregion = 'middle'", "rules.0.region"),
    ],
)
def test_a_broken_profile_names_its_file_and_field(tmp_path: Path, content: str, field: str):
    with pytest.raises(CopydeskError) as error:
        load_profiles(written(tmp_path, content))

    assert str(error.value).startswith(f"publisher profile fogbound.toml: {field}:")
    assert len(str(error.value).splitlines()) <= 3


@pytest.mark.parametrize("content", ["detect = [", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: str):
    with pytest.raises(CopydeskError, match=r"^publisher profile fogbound\.toml: "):
        load_profiles(written(tmp_path, content))


def test_a_profile_in_another_encoding_is_named(tmp_path: Path):
    (tmp_path / "fogbound.toml").write_bytes("name = 'Föhr'".encode("latin-1"))

    with pytest.raises(CopydeskError, match=r"^publisher profile fogbound\.toml: "):
        load_profiles(tmp_path)


def test_every_profile_of_the_package_loads():
    assert {profile.id for profile in load_profiles()} == {path.stem for path in FOLDER.glob("*.toml")}


def test_no_name_means_two_outlets():
    profiles = load_profiles()
    owners = {
        name.casefold(): {profile.id for profile in profiles if name in profile.names}
        for profile in profiles
        for name in profile.names
    }

    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}


@pytest.mark.parametrize("rule", GENERAL_RULES, ids=lambda rule: rule.label)
def test_every_general_rule_can_be_applied(rule: Rule):
    assert is_pattern(rule.pattern)


def test_a_rule_looks_only_at_lines_with_what_it_needs():
    rule = Rule(role="other", pattern="^.*fog.*$", needs=("PIER",))
    profile = Profile(id="fog", detect=("fog",), rules=(rule,))

    text = "The ferry is late again today\n\nThe fog is at the pier.\n\nThe fog is at sea."
    assert texts_with("other", text, (profile,)) == ["The fog is at the pier."]


def test_the_guide_names_every_key():
    guide = (FOLDER / "README.md").read_text(encoding="utf-8")

    keys = {*Profile.model_fields, *UrlDate.model_fields, *Rule.model_fields} - {"id"}
    assert {key for key in keys if f"`{key}`" not in guide} == set()


def test_the_example_of_the_guide_is_a_profile(tmp_path: Path):
    guide = (FOLDER / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)

    assert len(blocks) >= 2
    for index, block in enumerate(blocks):
        written(tmp_path, block, f"example_{index}.toml")
    assert len(load_profiles(tmp_path)) == len(blocks)


def test_a_rule_can_ask_for_a_blank_line_above():
    rule = Rule(role="caption", pattern=r"^.*pier$", is_after_blank=True)
    profile = Profile(id="fog", detect=("pier",), rules=(rule,))

    text = "A word from the pier\nThe fog is at the pier\n\nA gull on the pier\nThe ferry is at the pier"
    assert texts_with("caption", text, (profile,)) == ["A gull on the pier"]
