"""Interventions: pure maps from activation to activation, each with a strength and a scope."""
