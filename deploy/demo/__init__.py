"""`selfmis demo`: a simulated ward on this machine, everything real and nothing left behind."""
