"""What a reader moves."""

from gdcourse.explore.sliders import live

__all__ = ["live"]
