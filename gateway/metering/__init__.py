"""The rules: plain functions on frozen values. No clock, socket, log or store in here."""
