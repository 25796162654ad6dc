"""What a language model is sent for a run: gathered, fenced where it is data, cut to fit."""
