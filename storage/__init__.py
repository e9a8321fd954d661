"""The only code that talks to the outside: MongoDB, keys, blobs, other servers."""
