"""Text with and without steering, and what is kept of it."""
