"""Reading words and pages out of documents, in a process of its own that is bounded and shut in."""
