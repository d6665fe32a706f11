"""Many ways of training side by side (`selfmis compare`): same records, same heads, same test, one table.

arm       a way of training as typed: method, options, teacher
splits    which folds train, choose and test: one split, or a rotation
grid      what is to be compared, and the units of work that it takes
heads     the heads that can be put on an encoder
units     the units: an encoder, a head on it, its retrieval; each named for what it is made of
work      doing one unit
schedule  which unit is next; what cannot be done any more
spread    units one after the other in this process, or many at once on Ray
board     how far the whole is, and the time that is left
pooled    what the units left behind as scored records, a replicate a seed
results   figures, differences and cost as one JSON object
table, plots   the same for people
command   the arguments
run       what happens in which order
"""
