"""One run from its slot to its stored result: ledger, engine, recovery, result files."""
