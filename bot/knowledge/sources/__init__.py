"""Where knowledge comes from: folders, files, pages, sitemaps, git repositories. Begin with `opening.open_source`."""
