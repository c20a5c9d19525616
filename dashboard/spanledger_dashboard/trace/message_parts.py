"""Parts of stored messages: read, paired, and named when they are no text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import cast

from spanledger_dashboard import format as fmt

Part = dict[str, object]

_MEDIA = {
    "image": "Image",
    "image_url": "Image",
    "input_image": "Image",
    "audio": "Audio",
    "input_audio": "Audio",
    "video": "Video",
    "input_video": "Video",
    "file": "File",
    "input_file": "File",
    "document": "Document",
    "blob": "Data",
    "uri": "Link",
    "inline_data": "Data",
}
_MODALITIES = ("Image", "Audio", "Video", "Document")
_DATA_KEYS = (
    "content",
    "data",
    "b64_json",
    "bytes",
    "blob",
    "file_data",
    "image_url",
    "url",
    "uri",
)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*,")
_SHORT_DATA = 256


def parse_message(content: str) -> tuple[str, list[Part]]:
    """Return role and parts of a stored message; other text becomes one text part."""
    try:
        message = json.loads(content)
    except ValueError:
        return "", [{"type": "text", "content": content}]
    if not isinstance(message, dict):
        return "", [{"type": "text", "content": content}]
    fields = cast("dict[str, object]", message)
    parts = fields.get("parts")
    if not isinstance(parts, list):
        return str(fields.get("role") or ""), [{"type": "text", "content": content}]
    found = cast("list[object]", parts)
    return str(fields.get("role") or ""), [_part(p) for p in found]


def text_of(parts: Iterable[Part], kind: str = "text") -> str:
    """Return the texts of the parts of one kind, a line each."""
    found = (as_json(p.get("content") or "") for p in parts if p.get("type") == kind)
    return "\n".join(text for text in found if text)


def tool_calls(parts: Iterable[Part]) -> list[Part]:
    """Return the tool calls among parts."""
    return [part for part in parts if part.get("type") == "tool_call"]


def response_of(part: Part) -> object:
    """Return what a tool answered."""
    return part.get("response", part.get("result", ""))


def as_json(value: object) -> str:
    """Return a text as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def media_label(part: Part) -> str:
    """Return what a part is that people cannot read: ``Image, image/png, 12.3 kB``; else empty."""
    kind = _MEDIA.get(str(part.get("type") or "").lower())
    if kind is None:
        return ""
    modality = str(part.get("modality") or "").capitalize()
    mime, size, where = _payload(part)
    kind = modality if modality in _MODALITIES else _kind_of(mime) or kind
    named = part.get("filename") or part.get("file_id") or part.get("name") or ""
    return ", ".join(text for text in (kind, mime, str(named), size, where) if text)


def without_data(value: object) -> object:
    """Return a value with texts that encode files replaced by their size."""
    if isinstance(value, Mapping):
        return {k: without_data(v) for k, v in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list):
        return [without_data(item) for item in cast("list[object]", value)]
    if isinstance(value, str) and len(value) > _SHORT_DATA and (found := _DATA_URL.match(value)):
        return f"({found[1] or 'data'}, {_size(len(value) - found.end())})"
    return value


def _payload(part: Part) -> tuple[str, str, str]:
    """Return the type, the size and the address of what a part holds; empty where not told."""
    mime = next((str(part[k]) for k in ("mime_type", "media_type", "format") if part.get(k)), "")
    for key in (*_DATA_KEYS, "source"):
        value = part.get(key)
        if isinstance(value, Mapping):
            inner = _payload({k: v for k, v in cast("Part", value).items() if k != "source"})
            if any(inner):
                return inner[0] or mime, inner[1], inner[2]
        if not isinstance(value, str) or not value:
            continue
        if found := _DATA_URL.match(value):
            return found[1] or mime, _size(len(value) - found.end()), ""
        if key in ("url", "uri", "image_url"):
            return mime, "", value
        return mime, _size(len(value)), ""
    return mime, "", ""


def _size(base64_length: int) -> str:
    return f"{fmt.short_count(base64_length * 3 // 4)} bytes"


def _kind_of(mime: str) -> str:
    kind = mime.partition("/")[0].capitalize()
    return kind if kind in _MODALITIES else ""


def _part(part: object) -> Part:
    if isinstance(part, dict):
        return cast("Part", part)
    return {"type": "text", "content": part if isinstance(part, str) else as_json(part)}
