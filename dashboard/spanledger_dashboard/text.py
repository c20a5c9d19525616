"""Text that came from outside, made safe to show where Streamlit reads markdown."""

import re

# Everything markdown or Streamlit's directives (":red[…]", ":material/…:", "$…$") could react to.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=^@/\"'])")

# Addresses become links after escapes are gone; an invisible joiner in front of these stops that.
_LINKED = re.compile(r"\\@|\\/\\/|(?<=www)\\\.", re.IGNORECASE)


def plain(value: object) -> str:
    """Return the value so that markdown shows exactly its characters, on one line."""
    escaped = _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))
    return _LINKED.sub("\u2060\\g<0>", escaped)


def badge_text(value: object) -> str:
    """Return the value as ``st.badge`` shows exactly its characters: brackets it escapes itself."""
    return plain(value).replace(r"\[", "[").replace(r"\]", "]")


def code(value: object) -> str:
    """Return the value as markdown code on one line: for ids, which people copy."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def shortened(value: str, limit: int) -> str:
    """Return the value, cut in the middle to ``limit`` characters when it is longer."""
    if len(value) <= limit:
        return value
    head = (limit - 1) * 2 // 3
    return f"{value[:head]}…{value[len(value) - (limit - 1 - head) :]}"


def beginning(value: str, limit: int) -> str:
    """Return the value on one line, cut at its end to ``limit`` characters when it is longer."""
    text = " ".join(value.split())
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
