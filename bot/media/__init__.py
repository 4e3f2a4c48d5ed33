"""What comes with a message: files, pictures, recordings. Begin with `attachments.Attachments.take`."""
