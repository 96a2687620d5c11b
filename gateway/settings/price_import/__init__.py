"""Rate card files out of the PyPI package `genai-prices` (extra `prices`), offline.

A starting point for operators, made by a command and committed; nothing here runs while serving.
`vendors` says which of the package's names and prices are wanted, `package` reads them, `files`
finds the newest card of a vendor, `difference` compares the two, `text` writes one.
"""
