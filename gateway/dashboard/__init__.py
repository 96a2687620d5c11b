"""Pages for people: static files that are only a client of the Metering API.

Whatever they show, an API call gives; this package imports nothing else of the gateway.
"""
