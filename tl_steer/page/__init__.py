"""Pages: what is shown as HTML, readable in light and dark, and as Markdown."""
