"""The film-review case study: from reviews to a report."""
