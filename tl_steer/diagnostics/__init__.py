"""What can be known of a direction before it is used, and a verdict on it."""
