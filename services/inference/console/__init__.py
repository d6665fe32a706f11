"""The ward console, one page for people: its files lie beside this one and are served as they are."""
