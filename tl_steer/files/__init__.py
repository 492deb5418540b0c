"""Files: opened, parsed and written in one way each; what cannot be read is one sentence."""
