"""The ports of `domain.ports` on MongoDB (PyMongo's asynchronous API)."""
