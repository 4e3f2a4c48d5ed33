"""What came with messages or was made for them: files as bytes (`blobs`), documents as passages (`documents`)."""
