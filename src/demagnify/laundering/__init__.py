"""Laundering: photographs or face sets in, attacked copies out.

Modules, in the order in which a photograph passes through them::

    attack          the public function `attack`: a folder in, a folder of attacked copies out
    config          its settings
    sources         which files are attacked, their labels, the names of their copies
    photographs     read, find faces, attack in batches, paste, encode, save
    journal         finished photographs, so that a stopped run continues
    tables          metadata.csv, faces.csv, skipped.csv
    figure          a few faces before and after the attack

    attacked_faces  attacked face sets, computed once and cached
    conditions      the same faces clean and under each attack
    quality         PSNR and SSIM between originals and attacked images
"""
