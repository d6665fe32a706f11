"""The same job as users would do it otherwise: same frames, windows, artefact and alarm rule, other plumbing.

`job` is what all have in common; `ours`, `bytewax_peer`, `pool` (consumer group), `serve_peer` and `quix_peer` are
the peers; `measure` loads one of them, `crash` kills it, `command` is `selfmis bench peers`.
"""
