"""Every picture; the only folder that imports matplotlib.

Figures are made without pyplot, so nothing of the caller's matplotlib changes. Colours are
cividis, viridis and (for scores of both signs) PuOr: all three survive colour blindness.
"""
