"""The blind server: stores and relays what it cannot read. Anyone can run one."""

from .server import RunningNode, serve_node

__all__ = ["RunningNode", "serve_node"]
