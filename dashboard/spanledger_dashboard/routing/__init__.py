"""Parts of the page on routing."""
