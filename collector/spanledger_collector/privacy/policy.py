"""What a project's privacy settings amount to, compiled once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from spanledger_collector.privacy.hashing import message_key, usable_salt
from spanledger_collector.privacy.keys import KeyGlobs
from spanledger_collector.privacy.texts import TextRedactor
from spanledger_storage.project_settings import Content, Project

log = logging.getLogger(__name__)
_EVERY = 2**64
_MOST_QUICK = 1_000  # instructions: some 5 µs a byte, and few bytes are keys


@dataclass(frozen=True, slots=True)
class Policy:
    """What is taken out of the telemetry of a project, in this order.

    Attributes:
        dropped: attributes that go.
        hashed: attributes whose values become keyed hashes.
        content_below: traces whose hash is below it keep their content; 0: none does.
        texts: patterns that are replaced in every text.
        salt: key of the hashes of values.
        content_key: key of the hashes of what was said.
        may_be_slow: what the project wrote itself may take long, even for a small request.
    """

    dropped: KeyGlobs
    hashed: KeyGlobs
    content_below: int
    texts: TextRedactor
    salt: bytes
    content_key: bytes
    may_be_slow: bool

    @property
    def keeps_all_content(self) -> bool:
        """Whether no trace loses its content."""
        return self.content_below >= _EVERY

    def keeps_content(self, trace_id: bytes) -> bool:
        """Return whether a trace keeps its content; every collector decides alike."""
        if self.content_below in (0, _EVERY):
            return self.content_below == _EVERY
        place = int.from_bytes(blake2b(trace_id, digest_size=8).digest(), "big")
        return place < self.content_below


def policy_of(project: Project) -> Policy | None:
    """Return what to take out of a project's telemetry; ``None``: nothing, it stays as it is."""
    return None if project.settings.privacy.is_inactive else _compiled(project)


@lru_cache(maxsize=256)
def _compiled(project: Project) -> Policy:
    privacy = project.settings.privacy
    for own in privacy.patterns:
        if own.is_slow:
            log.warning(
                "project %s: texts may take the pattern %s long; see docs/privacy.md",
                project.name,
                own.name,
            )
    rate = 0.0 if privacy.content is Content.OFF else privacy.content_sample_rate
    salt = usable_salt(project.salt)
    dropped, hashed = KeyGlobs(privacy.drop_keys), KeyGlobs(privacy.hash_keys)
    return Policy(
        dropped,
        hashed,
        int(rate * _EVERY),
        TextRedactor(privacy.presets, privacy.patterns),
        salt,
        message_key(salt),
        bool(privacy.patterns) or max(dropped.size, hashed.size) > _MOST_QUICK,
    )
