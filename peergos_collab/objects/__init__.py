"""What an object is made of: membership with epochs, logs of segments, links, snapshots. Pure."""
