"""What prompt caches save and cost, why they miss, and what would make them hit."""
