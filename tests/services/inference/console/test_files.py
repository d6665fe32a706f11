"""The console's files by themselves: nothing from elsewhere, nothing inline, no markup from text, all there."""

import re
from importlib.resources import files

import pytest

PAGE = {
    entry.name: entry.read_text(encoding="utf-8")
    for entry in files("services.inference.console").iterdir()
    if entry.name.endswith((".html", ".css", ".js", ".svg"))
}
SCRIPTS = sorted(name for name in PAGE if name.endswith(".js"))
HTML = PAGE["index.html"]


def test_no_file_names_another_host() -> None:
    found = [
        (name, url)
        for name, body in PAGE.items()
        for url in re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"')]*", body)
        if url != "http://www.w3.org/2000/svg"  # the name of a namespace, never fetched
    ]
    assert found == []


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    assert re.findall(r"<script(?![^>]*\ssrc=)", HTML) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", HTML) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_from_text(name: str) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser|setHTML"
    assert re.findall(ways, PAGE[name]) == []


def test_every_file_that_is_asked_for_is_there() -> None:
    asked = set(re.findall(r"/console/([\w.-]+)", HTML))
    for name in SCRIPTS:
        asked |= set(re.findall(r'from "\./([\w.-]+)"', PAGE[name]))
    assert asked - set(PAGE) == set()
    assert set(PAGE) - asked == {"index.html"}, "a file that nobody asks for"


def test_every_element_that_a_script_names_is_in_the_page() -> None:
    there = set(re.findall(r'\sid="([\w-]+)"', HTML))
    named = {each for name in SCRIPTS for each in re.findall(r'byId\("([\w-]+)"\)', PAGE[name])}
    assert named - there == set()


def test_every_icon_that_a_script_names_is_in_the_page() -> None:
    drawn = set(re.findall(r'<symbol id="i-(\w+)"', HTML))
    used = set(re.findall(r'href="#i-(\w+)"', HTML))
    words = PAGE["words.js"].partition("const ICONS = {")[2].partition("}")[0]
    used |= set(re.findall(r'"(\w+)"', words))
    used |= set(re.findall(r'\["(\w+)", "[A-Z ]+"\]', PAGE["tile.js"]))
    assert used <= drawn


def test_the_notice_is_in_the_page_itself_not_in_a_script() -> None:
    assert "Research use only. Not a medical device." in HTML
