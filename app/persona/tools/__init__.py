"""What a model may do during a run: one definition per tool."""
