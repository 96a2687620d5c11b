"""A provider that exists only here: it answers as the real API does, and fails on request.

The demo runs against it, and so do the fault tests. It knows nothing of metering.
"""
