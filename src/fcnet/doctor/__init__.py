"""The doctor: why a network does not learn, with the numbers that show it, and what to change."""
