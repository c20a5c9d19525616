"""What people see when the store does not answer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import streamlit as st

from spanledger_dashboard.settings import SettingsError
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError, StoreError


@contextmanager
def explained() -> Generator[None]:
    """Turn failures of the store into a message that says what to do; others pass."""
    try:
        yield
    except StoreError as error:
        advice = (
            "This is a fault of the dashboard or of the store's schema."
            if error.permanent
            else "It may be starting or busy; the page can be loaded again in a moment."
        )
        st.error(f"The store did not answer. {advice}", icon=":material/cloud_off:")
        st.caption(plain(str(error)[:600]))
    except (ConfigError, SettingsError, StateError) as error:
        st.error(plain(error), icon=":material/settings_alert:")
