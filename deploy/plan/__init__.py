"""How large a deployment must be: measured costs, the arithmetic, the command."""
