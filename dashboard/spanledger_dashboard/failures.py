"""What people see when something failed: what it was, and what they can do."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

import streamlit as st

from spanledger_dashboard import pickers, shell
from spanledger_dashboard.access import Denied, SignedOut
from spanledger_dashboard.settings import SettingsError
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError, StoreError

_log = logging.getLogger(__name__)

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_TOO_MUCH = {
    159: "The question took longer than the store allows.",
    160: "The question would take longer than the store allows.",
    241: "The question needs more memory than the store allows.",
    158: "The question reads more rows than the store allows.",
    396: "The answer is larger than the store allows.",
}
_TOO_MANY = {202, 209, 210}
_OTHER_SCHEMA = {16, 47, 60, 81}
_AGAIN_S = 10


@contextmanager
def explained() -> Generator[None]:
    """Turn failures that are expected into a message that says what to do; others pass."""
    try:
        yield
    except StoreError as error:
        what, advice = _store_failure(error)
        st.error(f"{what} {advice}", icon=":material/cloud_off:")
        st.caption(plain(str(error)[:600]))
        if _will_pass(error):
            pickers.look_again_every(_AGAIN_S)
    except SignedOut:
        shell.show_signed_out()
    except Denied as error:
        st.error(plain(error), icon=":material/lock:")
    except (ConfigError, SettingsError, StateError) as error:
        st.error(plain(error), icon=":material/settings_alert:")


def show_fault(error: Exception) -> bool:
    """Show that a page failed in a way nobody expected, and log where; for Streamlit's hook."""
    _log.error("A page failed", exc_info=error)
    st.error(
        f"This page failed ({plain(type(error).__name__)}). The dashboard's log says where; the "
        "other pages go on working.",
        icon=":material/bug_report:",
    )
    return True


def _will_pass(error: StoreError) -> bool:
    return not error.permanent and error.code not in _TOO_MUCH


def _store_failure(error: StoreError) -> tuple[str, str]:
    """Return what happened and what to do."""
    if error.code in _TOO_MUCH:
        return _TOO_MUCH[error.code], "Choose a shorter time range or narrower filters."
    if error.code in _TOO_MANY:
        return "The store is busy.", f"The page tries again every {_AGAIN_S} seconds."
    if error.code in _OTHER_SCHEMA:
        return (
            "The store has another schema than this dashboard knows.",
            "Run `spanledger migrate`, or update the dashboard.",
        )
    if error.permanent:
        return (
            "The store could not answer this question.",
            "This is a fault of the dashboard or of the store.",
        )
    return (
        "The store did not answer.",
        f"It may be starting or busy; the page tries again every {_AGAIN_S} seconds.",
    )
