"""The fault suite: the whole system of real processes, things that go wrong at seeded times, and a verdict.

`plan` draws what goes wrong and when; `inject` does it, a module a kind; `house` runs the processes as a service
manager would; `watch` sees how far behind live the committed facts are; `expected` computes what the generated
samples must lead to, without Redis; `verdict` compares. `command` is `selfmis bench faults`.
"""
