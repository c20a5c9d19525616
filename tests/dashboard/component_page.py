"""The tree component alone in a page of its own, as Streamlit would mount it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route

from spanledger_dashboard.trace.view import javascript, stylesheet

# Answered by the test itself, nothing listens there; the clipboard wants a loopback address.
ADDRESS = "http://127.0.0.1/trace"
LIGHT = {
    "text-color": "#1b2328", "background-color": "#fff", "secondary-background-color": "#f5f6f7",
    "border-color": "#dfe3e6", "primary-color": "#0f6e66", "font": "sans-serif",
    "red-color": "#cc2f3c", "red-text-color": "#b3202e", "red-background-color": "#cc2f3c1a",
}  # fmt: skip
_PAGE = """<!doctype html>
<style>:root {{ {variables} }} body {{ margin: 8px; width: 720px }}</style>
<div id="host"></div>
<script type="module">
  import mount from "/view.js";
  const root = document.getElementById("host").attachShadow({{ mode: "open" }});
  const css = await (await fetch("/view.css")).text();
  root.innerHTML = `<style>${{css}}</style><div class="mount"></div>`;
  window.told = [];
  const setStateValue = (name, value) => window.told.push(value);
  window.show = async (name) => {{
    const data = new Uint8Array(await (await fetch(name)).arrayBuffer());
    window.away = mount({{ data, parentElement: root, setStateValue }});
  }};
  await window.show("/payload");
</script>"""


@dataclass
class ComponentPage:
    """A page with the tree of one payload; ``problems`` are errors of its scripts."""

    page: Page
    payload: bytes
    theme: dict[str, str] = field(default_factory=lambda: LIGHT)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, context: BrowserContext, payload: bytes) -> ComponentPage:
        """Open a page and show a payload in it."""
        made = cls(context.new_page(), payload)
        made.page.on("pageerror", lambda error: made.problems.append(str(error)))
        made.page.route("**/*", made._answer)
        made.page.goto(ADDRESS)
        made.page.wait_for_selector(".tv[data-ready]")
        return made

    def show(self, payload: bytes) -> None:
        """Show another payload in the same tree, as a rerun of the page does."""
        self.payload = payload
        self.page.evaluate("window.show('/payload')")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def rows(self) -> list[str]:
        """What the rows on screen are called, top to bottom."""
        found: list[Any] = self.page.locator(".row").evaluate_all(
            """rows => rows
                 .sort((a, b) => a.dataset.index - b.dataset.index)
                 .map(row => [...row.querySelectorAll(".label, .more")]
                     .map(part => part.textContent).join(""))"""
        )
        return [str(name) for name in found]

    def _answer(self, route: Route) -> None:
        path = route.request.url.split("127.0.0.1")[1].split("?")[0]
        variables = ";".join(f"--st-{name}: {value}" for name, value in self.theme.items())
        answers: dict[str, tuple[str, str | bytes]] = {
            "/trace": ("text/html", _PAGE.format(variables=variables)),
            "/view.js": ("text/javascript", javascript()),
            "/view.css": ("text/css", stylesheet()),
            "/payload": ("application/octet-stream", self.payload),
        }
        kind, body = answers.get(path, ("text/plain", ""))
        route.fulfill(content_type=kind, body=body)
