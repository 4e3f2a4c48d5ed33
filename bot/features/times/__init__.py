"""Times and time zones as people write them, in Russian and English. Begin with `reading.read` and `zones.zone`."""
