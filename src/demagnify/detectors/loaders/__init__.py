"""The kinds of places where detectors are found: one self-registering file each.

Every `Loader` here, and every one that an installed package offers in the entry points of the
group `demagnify.detectors`, works wherever a detector is named; see `demagnify.detectors.loading`.
"""
