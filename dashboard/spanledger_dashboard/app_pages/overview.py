"""Overview: is anything wrong, what does it cost today, and why more than before?"""

from spanledger_dashboard.overview.page import show_page

show_page()
