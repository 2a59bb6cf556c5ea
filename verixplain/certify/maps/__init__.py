"""Gradient maps over boxes: where every score lies, whatever the input of the box; one map a file.

A map is named as the attribution method that shows it.
"""

from verixplain.registry import Registry

maps = Registry("map with bounds", "verixplain.certify.maps")
