"""What `selfmis prepare` does unless it is told otherwise, where it takes no time to read."""

PHYSIONET = "https://physionet.org/"
"""Where PTB-XL is fetched from."""

RECORDS_A_PART = 2048
"""A store is made and kept in parts of so many."""
