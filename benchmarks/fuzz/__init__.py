"""Bad input at every door: `selfmis bench fuzz`.

A *door* is a place where bytes of others come in. Each module in `doors` says how something valid is made there,
how it is bent, and how it enters. `judge` decides what counts as a clear refusal, `campaign` repeats it, `worker`
runs one door in a process of its own, `guided` lets coverage choose the cases, and `command` is the command.
"""
