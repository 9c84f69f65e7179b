"""Risks that are read off feature views and histories, beside the learned one of late workflows."""
