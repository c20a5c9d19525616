"""Whose process is it: the executable, the container and the pod of a process on this host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

# Container runtimes name a cgroup after the container's id:
# /docker/<id>, /kubepods.slice/…/cri-containerd-<id>.scope, /kubepods/burstable/pod<uid>/<id>.
_CONTAINER = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
# The kubelet mounts these into every container; they tell names that no cgroup does.
_KUBELET_MOUNT = re.compile(r"/pods/([0-9a-f-]{36})/(?:containers/([^/\s]+)/|etc-hosts)")
_DOCKER_MOUNT = re.compile(r"/containers/([0-9a-f]{64})/hostname")
_NAMESPACE = "var/run/secrets/kubernetes.io/serviceaccount/namespace"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a process belongs to; '' where it cannot be told."""

    executable: str = ""
    container_id: str = ""
    container: str = ""
    pod_uid: str = ""
    pod: str = ""
    namespace: str = ""

    def attributes(self) -> dict[str, str]:
        """Return the OpenTelemetry attributes of what is known."""
        said = {
            "process.executable.name": self.executable,
            "container.id": self.container_id,
            "k8s.container.name": self.container,
            "k8s.pod.uid": self.pod_uid,
            "k8s.pod.name": self.pod,
            "k8s.namespace.name": self.namespace,
        }
        return {key: value for key, value in said.items() if value}


@dataclass
class Owners:
    """Looks owners up, each process once; pids are those of ``proc``, on a node the host's."""

    proc: Path = Path("/proc")
    _known: dict[int, Owner] = field(default_factory=dict[int, Owner])

    def of(self, pid: int) -> Owner:
        """Return the owner of a process, as far as this user may see it."""
        if pid not in self._known:
            self._known[pid] = read_owner(self.proc / str(pid))
        return self._known[pid]

    def keep(self, pids: set[int]) -> None:
        """Forget processes that are gone: their numbers are given to others."""
        self._known = {pid: owner for pid, owner in self._known.items() if pid in pids}


def read_owner(process: Path) -> Owner:
    """Return the owner of the process that a directory of ``/proc`` describes."""
    cgroup, mounts = _text(process / "cgroup"), _text(process / "mountinfo")
    groups = [line.split(":", 2)[-1] for line in cgroup.splitlines()]
    container_id = _found(_CONTAINER, *groups) or _found(_DOCKER_MOUNT, mounts)
    pod_uid = _found(_POD, *groups).replace("_", "-")
    container = ""
    for mount in _KUBELET_MOUNT.finditer(mounts):
        pod_uid = pod_uid or mount[1]
        container = container or mount[2] or ""
    root = process / "root"
    return Owner(
        executable=_text(process / "comm").strip(),
        container_id=container_id,
        container=container,
        pod_uid=pod_uid,
        # A pod's host name is its name, unless the pod asks for another.
        pod=_text(root / "etc/hostname").strip() if pod_uid else "",
        namespace=_text(root / _NAMESPACE).strip() if pod_uid else "",
    )


def _found(pattern: re.Pattern[str], *texts: str) -> str:
    for text in texts:
        match = pattern.search(text)
        if match:
            return match[1]
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
