"""The one connection to the store that all sessions of this process share."""

import streamlit as st

from spanledger_dashboard.settings import DashboardSettings
from spanledger_storage.store import Store, StoreSettings

# A page that takes longer than this is broken for its reader, whatever the answer is.
_TIMEOUT_S = 30


def store() -> Store:
    """Return the connection, opening it the first time.

    Raises:
        StoreError: the store does not answer.
        SettingsError: no store is set.
    """
    return _open(DashboardSettings.from_environment().store_url)


@st.cache_resource(show_spinner=False, max_entries=4, on_release=Store.close)
def _open(url: str) -> Store:
    return Store.connect(StoreSettings.from_url(url), timeout_s=_TIMEOUT_S)
