"""Thousands of requests as one run: a file with questions goes in, a file with answers comes out."""
