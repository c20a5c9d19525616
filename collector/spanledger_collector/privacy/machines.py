"""Keys of OpenTelemetry that name machines, libraries and protocols, one by one.

From the registry of its semantic conventions and their older names:
https://opentelemetry.io/docs/specs/semconv/registry/attributes/. A prefix does not tell them: below
``otel.`` is the status message, below ``rpc.`` the body of a call. Not here are descriptions,
commands, messages, and what has names of its own below it: metadata, headers, annotations, labels.
"""

from __future__ import annotations

_K8S_KINDS = (
    *("cluster", "container", "cronjob", "daemonset", "deployment", "hpa", "job", "namespace"),
    *("node", "persistentvolume", "persistentvolumeclaim", "pod", "replicaset"),
    *("replicationcontroller", "resourcequota", "service", "statefulset", "storageclass", "volume"),
)
_BELOW = {
    "service": "name namespace version instance.id criticality peer.name peer.namespace",
    "telemetry": ("sdk.name sdk.language sdk.version distro.name distro.version auto.version"),
    "otel": (
        "status_code scope.name scope.version scope.schema_url library.name library.version"
        " component.name component.type event.name span.parent.origin span.sampling_result"
    ),
    "host": (
        "arch id name type ip mac image.id image.name image.version cpu.family cpu.model.id"
        " cpu.model.name cpu.stepping cpu.vendor.id"
    ),
    "os": "type name version build_id",
    "process": "runtime.name runtime.version",
    "thread": "id name",
    "cloud": ("account.id availability_zone platform provider region resource_id zone"),
    "container": (
        "id name runtime runtime.name runtime.version image.id image.name image.tag image.tags"
        " image.repo_digests cpu.state csi.plugin.name csi.volume.id"
    ),
    "deployment": "environment environment.name id name status",
    "faas": (
        "cron document.collection document.name document.operation document.time execution id"
        " instance invocation_id invoked_name invoked_provider invoked_region name time trigger"
        " version"
    ),
    "k8s": (
        "container.ephemeral_storage.fs_type container.status.state hpa.metric.type"
        " hpa.scaletargetref.api_version hpa.scaletargetref.kind hpa.scaletargetref.name"
        " hugepage.size namespace.phase node.condition.status node.condition.type"
        " node.system_container.name persistentvolume.reclaim_policy"
        " persistentvolume.status.phase persistentvolumeclaim.status.phase pod.hostname pod.ip"
        " pod.start_time pod.status.phase resourcequota.resource_name"
        " service.endpoint.address_type service.endpoint.condition service.endpoint.zone"
        " service.traffic_distribution service.type volume.type"
    ),
    "server": "address port",
    "client": "address port",
    "network": (
        "carrier.icc carrier.mcc carrier.mnc carrier.name connection.state connection.subtype"
        " connection.type interface.name io.direction local.address local.port peer.address"
        " peer.port protocol.name protocol.version transport type"
    ),
    "net": (
        "host.ip host.name host.port peer.ip peer.name peer.port protocol.name protocol.version"
        " sock.family sock.host.addr sock.host.port sock.peer.addr sock.peer.name sock.peer.port"
        " transport"
    ),
    "rpc": (
        "system system.name service method method_original message.id message.type"
        " grpc.status_code connect_rpc.error_code jsonrpc.error_code jsonrpc.request_id"
        " jsonrpc.version response.status_code"
    ),
    "user_agent": "name original version os.name os.version synthetic.type",
    "webengine": "name version",
    "messaging": "system operation operation.name operation.type",
    "db": "system system.name namespace operation operation.name",
    "http": "request.method method route",
    "url": "scheme domain",
    "code": "function function.name filepath file.path namespace",
}

MACHINE_KEYS = frozenset(
    (
        *(f"{first}.{rest}" for first, below in _BELOW.items() for rest in below.split()),
        *(f"k8s.{kind}.{end}" for kind in _K8S_KINDS for end in ("name", "uid")),
    )
)
REASON_KEYS = frozenset(
    {
        "k8s.container.status.last_terminated_reason",
        "k8s.container.status.reason",
        "k8s.pod.status.reason",
    }
)
"""Keys whose values are one of a list of words, such as ``OOMKilled``."""
