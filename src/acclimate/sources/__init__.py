"""Documents that live elsewhere, mirrored into the documents folder: web pages, WebDAV, git, mailboxes, exports."""
