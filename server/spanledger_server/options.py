"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger_dashboard.access.settings import AUTH, DashboardAuth
from spanledger_server.guard import Auth
from spanledger_server.output import Format

Data = Annotated[
    Path, typer.Option("--data", envvar="SPANLEDGER_DATA", help="Directory of the instance.")
]
StoreUrl = Annotated[
    str,
    typer.Option(
        "--store-url",
        envvar="SPANLEDGER_STORE_URL",
        help="clickhouse://user:password@host:8123/database",
        show_default=False,
    ),
]
StateUrl = Annotated[
    str,
    typer.Option(
        "--state-url",
        envvar="SPANLEDGER_STATE_URL",
        help="sqlite:///FILE or postgresql+psycopg://user:password@host/database",
        show_default=False,
    ),
]
AuthMode = Annotated[
    Auth | None,
    typer.Option(
        "--auth",
        envvar="SPANLEDGER_AUTH",
        show_default=False,
        help="Whether requests need a key; default: none on loopback, keys elsewhere.",
    ),
]
_SIGN_IN = "How people sign in to the dashboard; none: it listens on loopback only."
SignIn = Annotated[DashboardAuth, typer.Option("--auth", envvar=AUTH, help=_SIGN_IN)]
DashboardSignIn = Annotated[
    DashboardAuth, typer.Option("--dashboard-auth", envvar=AUTH, help=_SIGN_IN)
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="SPANLEDGER_TLS_CERT",
        show_default=False,
        help="Certificate of the server and those of authorities between, PEM; default: no TLS.",
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        envvar="SPANLEDGER_TLS_KEY",
        show_default=False,
        help="Private key of the certificate, PEM, without a passphrase.",
    ),
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca",
        envvar="SPANLEDGER_TLS_CLIENT_CA",
        show_default=False,
        help="Authorities of clients' certificates, PEM; given, every client needs one.",
    ),
]
SpoolBytes = Annotated[
    str,
    typer.Option(
        "--max-spool-bytes",
        envvar="SPANLEDGER_MAX_SPOOL_BYTES",
        metavar="SIZE",
        show_default=False,
        help="Disk for requests that wait to be stored, as in 20G or 512MiB; "
        "default: 10 GiB or a fifth of the volume.",
    ),
]
InflightBytes = Annotated[
    str,
    typer.Option(
        "--max-inflight-bytes",
        envvar="SPANLEDGER_MAX_INFLIGHT_BYTES",
        metavar="SIZE",
        show_default=False,
        help="Memory for requests that are being received; beyond it clients send again; "
        "default: 256 MiB.",
    ),
]
CorsOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        envvar="SPANLEDGER_CORS_ORIGIN",
        metavar="ORIGIN",
        show_default=False,
        help="Origin of web pages that may send, as in https://app.example.com; repeat it for "
        "several; default: none.",
    ),
]
Output = Annotated[Format, typer.Option("--format", help="How to print.")]
At = Annotated[
    str,
    typer.Option(
        "--at", metavar="TIME", show_default=False, help="Date or RFC 3339; default: now."
    ),
]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="TIME", show_default=False, help="Date or RFC 3339; default: now."
    ),
]
To = Annotated[
    str,
    typer.Option("--to", metavar="TIME", show_default=False, help="First instant without it."),
]
By = Annotated[
    str, typer.Option("--by", show_default=False, help="Who; default: the user of the system.")
]
Note = Annotated[str, typer.Option("--note", show_default=False, help="Why, or where it is from.")]
Entirely = Annotated[
    bool, typer.Option("--entirely", help="As if it had never been; not only from --from on.")
]
All = Annotated[bool, typer.Option("--all", help="With those that were withdrawn.")]

DEFAULT_DATA = Path("~/.spanledger")
