"""Hardening: an agent finds the weak spots of a detector, and the detector is trained on them.

harden              the loop: `harden`
config              its settings
attack_pool         everything that the agent may do to a face
delivery            how an attacker delivers a rebuilt face: size, blending, JPEG
surrogates          small super-resolution networks that the loop trains for itself
surrogate_training  their training
adversary           the agent
validation          how well a detector does, clean and under each degradation; means of weights
figure              the rounds as PNG
"""
