"""The only rooms that know TransformerLens; everything above speaks of hook names and tokens."""
