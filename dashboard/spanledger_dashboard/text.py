"""Text that came from outside, made safe to show where Streamlit reads markdown."""

import re

# Everything markdown or Streamlit's directives (":red[…]", ":material/…:", "$…$") could react to.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=^@/\"'])")


def plain(value: object) -> str:
    """Return the value so that markdown shows exactly its characters, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def shortened(value: str, limit: int) -> str:
    """Return the value, cut in the middle to ``limit`` characters when it is longer."""
    if len(value) <= limit:
        return value
    head = (limit - 1) * 2 // 3
    return f"{value[:head]}…{value[len(value) - (limit - 1 - head) :]}"
