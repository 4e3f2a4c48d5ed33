"""Every sentence the bot says, in English and Russian. Begin with `catalog.say`."""
