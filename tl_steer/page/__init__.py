"""HTML: tables, pictures and whole reports, readable in light and dark."""
