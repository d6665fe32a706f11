"""Training an encoder: `selfmis pretrain`, the loop behind it, and the ways to run it (plain, or on Ray Train).

command   the arguments
run       what happens in which order
plan      what is asked for, checked
dataset   the rows of a store that a plan trains on, as batches
embeddings  what a frozen teacher makes of every row, computed once
identity  which run this is, so that nothing of another is taken for its own
loop      the training loop, from top to bottom
world     this worker among the others
exchange  how workers hand one another the statistics of a batch
on_ray    the loop on Ray Train
state     everything a checkpoint holds, in one file
"""
