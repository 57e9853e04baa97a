"""What is left of an uncalibrated chip's differences after calibration: the one place that compares recordings' results with the truth.

    python -m refsnn.verify.residuals            # calibrates an uncalibrated chip of 256-246-10, about ten seconds
"""

import numpy as np

from refsnn.chip import Chip, Variation
from refsnn.chip.calibration import calibrate
from refsnn.chip.settings import apply_settings
from refsnn.spec.network import Network

# residual std as a share of the uncalibrated one: what the group's own calibration tests allow; None where nothing is published
ALLOWED = {"leak": 0.30, "reset": 0.20, "threshold": 0.35, "tau_mem": 0.45, "tau_exc": 0.20, "tau_inh": 0.20, "gain_exc": None, "gain_inh": None}


def residuals(chip, calibrated, network):
    """Spread of the first layer's living neurons before and after: a dict name -> (std before, std after, mean after)."""
    drawn, alive = chip.pattern[0], chip.pattern[0].alive
    tuned = apply_settings(drawn, calibrated.settings[0], network.layers[0].neuron.threshold)
    pairs = {name: (getattr(drawn, name)[alive], getattr(tuned, name)[alive]) for name in ALLOWED}
    return {name: (float(before.std()), float(after.std()), float(after.mean())) for name, (before, after) in pairs.items()}


def main():
    """Print the table."""
    rng = np.random.default_rng(0)
    network = Network.initialise(rng, (256, 246, 10))
    chip = Chip.sample(rng, network, Variation.uncalibrated())
    calibrated = calibrate(chip, network, rng)
    print("parameter    std before    std after    ratio    allowed    mean after")
    for name, (before, after, mean) in residuals(chip, calibrated, network).items():
        allowed = "-" if ALLOWED[name] is None else f"{ALLOWED[name]:.2f}"
        print(f"{name:10}   {before:10.4f}   {after:10.4f}   {after / before:6.3f}   {allowed:>7}   {mean:11.4f}")
    print(f"weight scale {calibrated.settings[0].weight_scale:.1f} LSB a unit of weight (nominal 240)")


if __name__ == "__main__":
    main()
