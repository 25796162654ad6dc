"""Feelings: the affect of a text, the inner view beside it, and the mood that follows."""
