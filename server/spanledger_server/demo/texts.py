"""Fills text templates with values of the case at hand."""

import json
from collections.abc import Iterator, Mapping
from random import Random
from string import Template

from spanledger_server.demo.spec import Agent

_NUMBERS = {"n": (2, 48), "n4": (1_000, 9_999), "n5": (10_000, 99_999), "pct": (3, 38)}


class Texts(Mapping[str, str]):
    """Values for templates: fixed for a conversation, drawn anew, or numbers.

    ``$n``, ``$n4``, ``$n5`` and ``$pct`` are numbers, ``$hex`` is twelve hex digits; the rest are
    the slots of the agent.
    """

    def __init__(self, agent: Agent, rng: Random) -> None:
        self._rng = rng
        self._fresh = agent.fresh
        self._fixed = {name: rng.choice(values) for name, values in agent.slots.items()}

    def __getitem__(self, name: str) -> str:
        """Return the value of a slot; numbers and fresh slots differ each time."""
        if name in self._fixed:
            return self._fixed[name]
        if name in self._fresh:
            return self._rng.choice(self._fresh[name])
        if name == "hex":
            return f"{self._rng.getrandbits(48):012x}"
        low, high = _NUMBERS[name]
        return str(self._rng.randint(low, high))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all slots."""
        return iter({**self._fixed, **self._fresh, **_NUMBERS, "hex": ""})

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(list(iter(self)))

    def fill(self, template: str) -> str:
        """Return the template with every slot replaced; an unknown slot raises ``KeyError``."""
        return Template(template).substitute(self)

    def one_of(self, templates: tuple[str, ...]) -> str:
        """Return one of the templates, filled; empty when there are none."""
        return self.fill(self._rng.choice(templates)) if templates else ""

    def arguments(self, templates: Mapping[str, str]) -> str:
        """Return tool arguments as a JSON object; whole numbers become JSON numbers."""
        filled = {name: self.fill(value) for name, value in templates.items()}
        return json.dumps({k: int(v) if v.isdigit() else v for k, v in filled.items()})
