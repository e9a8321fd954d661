"""HTTP, command line and wiring: the only package that puts the parts together."""
