"""A reader's own rule, run beside the book's: pure Python, in the page as in a notebook."""
