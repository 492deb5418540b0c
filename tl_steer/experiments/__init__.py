"""Experiments: many settings at once, kept on disk, chosen among, and set beside controls."""
