"""Whose costs are whose: rules, shared costs split, a report per month that adds up."""
