"""The connections that all sessions of this process share: the store, the state database."""

import streamlit as st

from spanledger_dashboard.settings import DashboardSettings
from spanledger_storage.price_state import StateEngine
from spanledger_storage.saved_views import SavedViews
from spanledger_storage.state import open_state, open_state_reader
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


def state() -> StateEngine | None:
    """Return the state database, to read; None where the dashboard is not told of one.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return _open_state(url) if url else None


def saved_views() -> SavedViews | None:
    """Return what people saved, to read and write; None without a state database.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return SavedViews(_open_state_to_save(url)) if url else None


@st.cache_resource(show_spinner=False, max_entries=4, on_release=StateEngine.dispose)
def _open_state_to_save(url: str) -> StateEngine:
    return open_state(url)


@st.cache_resource(show_spinner=False, max_entries=4, on_release=StateEngine.dispose)
def _open_state(url: str) -> StateEngine:
    return open_state_reader(url)


@st.cache_resource(show_spinner=False, max_entries=4, on_release=Store.close)
def _open(url: str) -> Store:
    return Store.connect(StoreSettings.from_url(url), timeout_s=_TIMEOUT_S)
