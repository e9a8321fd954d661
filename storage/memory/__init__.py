"""In-memory twins of the storage ports, held to the same contract suites; for fast tests of the domain."""
