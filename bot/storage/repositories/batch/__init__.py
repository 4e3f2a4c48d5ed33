"""Batch runs and their requests (`runs`), and how far the service's own runs are (`vendor_runs`),
whose words datasets have (`dataset_people`), and what was tuned (`tunings`)."""
