"""Which tokens an intervention touches."""
