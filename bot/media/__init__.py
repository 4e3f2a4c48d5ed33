"""Files, pictures and recordings in messages, and spoken answers. Begin with `attachments.Attachments.take`."""
