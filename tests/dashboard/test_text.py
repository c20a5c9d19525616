"""Text from outside stays text."""

from __future__ import annotations

import pytest

from spanledger_dashboard.text import badge_text, code, plain, shortened


@pytest.mark.parametrize(
    "text",
    [
        "**bold**",
        "[a](javascript:alert(1))",
        "<img src=x>",
        ":red[x]",
        "$x$",
        ":material/bug:",
        "# a",
        "`b`",
        "~~c~~",
        "| d",
    ],
)
def test_markdown_is_escaped(text: str) -> None:
    shown = plain(text)
    for sign in "*[]()<>:$#`~|":
        assert shown.count(sign) == shown.count(f"\\{sign}")


@pytest.mark.parametrize("text", ["[a](b)", r"back\[slash\]", "[[x]]", r"\\[", "none"])
def test_brackets_of_a_badge_are_escaped_once(text: str) -> None:
    badge = badge_text(text).replace("[", "\\[").replace("]", "\\]")  # what st.badge does
    assert badge == plain(text)


def test_line_breaks_cannot_start_a_block() -> None:
    assert plain("a\n\n    b\n# c") == "a b \\# c"


@pytest.mark.parametrize("text", ["https://evil.example", "a@b.example", "www.evil.example"])
def test_addresses_do_not_become_links(text: str) -> None:
    assert "\u2060" in plain(text)


def test_code_outlives_backticks() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"


def test_long_text_keeps_both_ends() -> None:
    assert shortened("abcdefghij", 7) == "abcd…ij"
    assert shortened("abc", 7) == "abc"
