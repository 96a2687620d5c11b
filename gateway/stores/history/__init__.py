"""The history behind the ledger: the journal, what was used call by call, and sums of it."""
