"""Fine-tuning: a probe's head and, at a low rate, the encoder under it, learn on from the probe.

command  the arguments
run      what happens in which order
plan     what is asked for, checked
loop     the training loop, from top to bottom
"""
