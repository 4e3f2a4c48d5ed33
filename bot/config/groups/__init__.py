"""The settings by subject: each module declares one group of fields; `config.settings.Settings` inherits them all."""
