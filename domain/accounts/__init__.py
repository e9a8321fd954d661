"""People who log in: accounts, their proofs of identity, and the use cases around them (ACCESS rules: `DECISIONS.md`)."""
