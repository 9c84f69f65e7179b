"""The service beside a bare server that is handed the finished feature rows of the same models."""
