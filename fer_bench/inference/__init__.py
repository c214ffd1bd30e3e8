"""Trained models and external models in use."""
