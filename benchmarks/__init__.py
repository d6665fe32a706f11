"""Speed and quality figures: each `selfmis bench NAME` is one module here."""
