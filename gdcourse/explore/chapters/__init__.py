"""The signature figures: one function for each, named after its chapter."""

from gdcourse.explore.chapters.momentum import momentum

SIGNATURES = {function.__name__: function for function in (momentum,)}
"""Every figure of the book, by the name of the function that makes it."""
