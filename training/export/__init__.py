"""A run folder becomes the model folder that serving trusts: `selfmis export`.

command  the arguments and what happens in which order
facts    what the manifest says of the model: where it learnt, how good it was found
golden   the windows whose scores are kept with it
"""
