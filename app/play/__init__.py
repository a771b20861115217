"""One playthrough, without a front end: how it begins, the session, its commands and its files."""
