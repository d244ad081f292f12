"""The exercises of each chapter, in a file of its name that holds its `CHAPTER`."""
