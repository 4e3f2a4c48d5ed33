"""Batch runs and their requests (`runs`)."""
