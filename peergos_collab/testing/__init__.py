"""Doubles and acceptance tests for other people's transports and stores. Not for production."""
