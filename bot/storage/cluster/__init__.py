"""What several processes share through PostgreSQL: the job queue, leader election, limits, clocks."""
