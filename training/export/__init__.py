"""A run folder becomes the model folder that serving trusts: `selfmis export`.

command  the arguments
asked    what happens in which order
facts    what the manifest says of the model: where it learnt, how good it was found
golden   the windows whose scores are kept with it
alarms   what its alarms did on streams
precision  what reduced precision costs it
reference  how its scores lie on recordings it did not learn from, for the drift figure
again    `selfmis export again`: its arguments
renewal  the graph of a model folder made anew from its weights
"""
