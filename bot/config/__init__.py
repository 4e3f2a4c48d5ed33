"""Settings of one bot or of several, read from the environment, `.env` and files. Begin with `settings.Settings`."""
