"""Sealing, keys and keyed tokens. Callers choose a policy here, never an algorithm."""
