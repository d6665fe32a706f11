"""What people and programs ask over HTTP: views over what was committed, nothing of its own."""
