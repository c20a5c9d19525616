"""How long a request may take to arrive; alone here, because the API's server asks it too."""

RECEIVE_WITHIN_S = 30.0
"""A request must be there this long after its headers. Exporters give up after 10 s."""
