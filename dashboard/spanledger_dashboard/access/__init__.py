"""Who looks at the dashboard and what they may see.

Pages ask :func:`viewer`; everything else here is the way to it: ``settings`` (how people sign
in), ``doorkeeper`` (who a session belongs to), ``gate`` (nothing is served without one), ``routes``
and ``oidc`` (signing in and out), ``attempts`` (guessing is slow), ``media`` (whose downloads are
whose).
"""

from spanledger_dashboard.access.people import Denied, SignedOut, Viewer, viewer

__all__ = ["Denied", "SignedOut", "Viewer", "viewer"]
