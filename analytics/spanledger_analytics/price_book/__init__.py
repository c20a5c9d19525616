"""The price book: what a token or piece costs at whom and when, and who said so."""
