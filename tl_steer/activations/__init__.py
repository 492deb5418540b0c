"""What is kept of activations: vectors or moments, and which tokens they were read from."""
