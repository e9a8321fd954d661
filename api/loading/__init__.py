"""Getting resources into a server over HTTP: sources, parcels, delivery, and what is remembered between runs."""
