"""One value kind each: element to index terms, query text to conditions."""
