"""Accounts, devices and the key store: who somebody is, and how his secrets are kept."""
