"""Reports: what a study found, as tables, pictures, words and files."""
