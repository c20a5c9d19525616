"""What both servers take requests with."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger_collector.access.senders import Access
from spanledger_collector.edge.admission import Admission
from spanledger_collector.intake import Intake
from spanledger_collector.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Edge:
    """The parts that HTTP and gRPC share.

    Attributes:
        intake: takes the requests.
        access: says for which project.
        admission: says whether there is memory for them.
        telemetry: counts them.
        max_bytes: limit of a request, compressed and decompressed.
    """

    intake: Intake
    access: Access
    admission: Admission
    telemetry: Telemetry
    max_bytes: int
