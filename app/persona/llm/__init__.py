"""Language models over HTTP, in the dialects that their servers speak."""
