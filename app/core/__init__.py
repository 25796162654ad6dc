"""What every part shares: the clock, ids, errors, spans and instants, strict JSON."""
