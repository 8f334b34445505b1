"""What is kept for a version of the code is held against its checksum before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from city_index.builds import keep_parsed, kept_with_parsed, parsed_folder
from city_index.settings import PROJECT_DIRECTORY, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(project_directory=PROJECT_DIRECTORY, home=tmp_path)
    parsed_folder(settings, "1+abc").mkdir(parents=True)
    return settings


def test_what_is_kept_comes_back_until_it_is_damaged(settings: Settings) -> None:
    assert kept_with_parsed(settings, "1+abc", "page.html") is None
    for text in ("first", "second"):
        assert keep_parsed(settings, "1+abc", "page.html", text)
        assert keep_parsed(settings, "1+abc", "other.json", "{}")
        assert kept_with_parsed(settings, "1+abc", "page.html") == text
    kept = parsed_folder(settings, "1+abc") / "page.html"
    for damaged in ("secone", "seco", ""):
        kept.write_text(damaged, encoding="utf-8")
        assert kept_with_parsed(settings, "1+abc", "page.html") is None
    assert kept_with_parsed(settings, "1+abc", "other.json") == "{}"
    kept.unlink()
    assert kept_with_parsed(settings, "1+abc", "page.html") is None


@pytest.mark.parametrize("damaged", ["", "[]", "{"])
def test_without_checksums_nothing_is_taken_for_kept(settings: Settings, damaged: str) -> None:
    keep_parsed(settings, "1+abc", "page.html", "first")
    (parsed_folder(settings, "1+abc") / "checksums.json").write_text(damaged, encoding="utf-8")
    assert kept_with_parsed(settings, "1+abc", "page.html") is None
    assert keep_parsed(settings, "1+abc", "page.html", "first")
    assert kept_with_parsed(settings, "1+abc", "page.html") == "first"


def test_nothing_is_kept_for_code_that_was_not_parsed(settings: Settings) -> None:
    assert not keep_parsed(settings, "1+def", "page.html", "first")
    assert kept_with_parsed(settings, "1+def", "page.html") is None
