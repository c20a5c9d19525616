"""The Streamlit dashboard. Computes nothing that analytics should."""
