"""Docs and code cannot part: every command stands in its page, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

from .command_page import PAGE, PROGRAMS, page, walk

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = "\n".join(path.read_text(encoding="utf-8") for path in PAGES if path != PAGE)


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it anew with: python -m tests.docs.command_page"
    )


def test_every_command_that_a_guide_shows_exists() -> None:
    known = {words for program, _, group in PROGRAMS for words, _ in walk(group, (program,))}
    for block in re.findall(r"```console\n(.*?)```", GUIDES, re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            words = re.sub(r"\$\(|\)|\"", " ", line).split()
            if words[0] not in {program for program, _, _ in PROGRAMS}:
                continue
            shown = {" ".join(words[:n]) for n in (2, 3)}
            assert shown & known, f"a guide shows `{line}`, and there is no such command"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    broken = [
        target
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not broken, f"{path.name} links to what does not exist: {broken}"
