"""The sync engine: log books, replicas and sessions, the same for peers and nodes. Pure."""
