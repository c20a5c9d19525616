"""Parts of the page on allocation."""
