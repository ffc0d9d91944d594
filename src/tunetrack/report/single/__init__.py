"""All pages of a study in one file that needs no server and no network."""
