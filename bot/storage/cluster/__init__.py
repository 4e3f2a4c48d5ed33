"""What processes of one bot share on PostgreSQL: jobs, locks, a semaphore and a rate limit."""
