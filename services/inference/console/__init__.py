"""The ward console: one page for people, its files beside this one. No build step; the API serves them as they lie."""
