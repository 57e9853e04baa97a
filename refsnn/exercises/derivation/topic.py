"""What a derivation is made of, and where each equation is to be found: function, test, golden vector."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step: the reason in words, the formulas that it gives (see formula.py), and the equation of the README's table that this is, if it is one.

    tests/exercises/test_derivation.py evaluates every formula with the numbers of the library.
    """

    text: str
    formulas: tuple = ()
    equation: str = ""


@dataclass(frozen=True)
class Topic:
    """A page: its name on the command line, its title, what it starts from, its steps."""

    name: str
    title: str
    start: str
    steps: tuple


@dataclass(frozen=True)
class Place:
    """Where an equation is: functions, one test and one golden vector."""

    functions: tuple
    test: str
    vector: str


GRADIENT = "tests/spec/test_gradient.py"
TWIN = "tests/verify/test_check.py::test_the_adjoint_recursion_is_the_exact_gradient_of_the_smooth_twin"
SLOPES = "tests/spec/test_loss.py::test_every_derivative_is_the_slope_of_its_value"
PLACES = {
    "E1": Place(("spec.neuron.lif_step",), "tests/spec/test_neuron.py::test_one_spike_gives_the_closed_form_of_the_post_synaptic_potential",
                "lif_step-001"),
    "E2": Place(("spec.neuron.lif_step",), "tests/spec/test_neuron.py::test_a_spike_by_hand_is_reset_one_step_late_by_theta", "lif_step-001"),
    "E3": Place(("spec.neuron.lif_step", "spec.neuron.run_spiking"), "tests/spec/test_neuron.py::test_a_membrane_on_its_threshold_is_silent",
                "lif_step-002"),
    "E4": Place(("spec.neuron.li_step", "spec.neuron.run_readout"), "tests/spec/test_neuron.py::test_the_run_is_linear_below_threshold",
                "li_step-001"),
    "E5": Place(("spec.surrogate.superspike", "spec.surrogate.superspike_primitive"), TWIN, "surrogate-001"),
    "E6": Place(("spec.trace.Trace",), f"{GRADIENT}::test_injecting_the_models_own_trace_changes_nothing", "backward-001"),
    "E7": Place(("spec.bptt.spiking_adjoint", "spec.bptt.spike_adjoint"), f"{GRADIENT}::test_a_spikes_adjoint_comes_back_along_its_row_of_weights",
                "adjoint_step-001"),
    "E8": Place(("spec.bptt.spiking_adjoint", "spec.bptt.readout_adjoint"), f"{GRADIENT}::test_the_reset_blocks_nothing_on_the_way_back",
                "adjoint_step-001"),
    "E9": Place(("spec.bptt.spiking_adjoint", "spec.bptt.readout_adjoint"), f"{GRADIENT}::test_the_gradient_by_hand", "adjoint_step-001"),
    "E10": Place(("spec.bptt.weight_gradient",), f"{GRADIENT}::test_a_spike_in_bin_0_of_a_chip_drives_the_next_layer", "backward-001"),
    "E11": Place(("spec.loss.scores", "spec.loss.scores_adjoint", "spec.loss.cross_entropy"),
                 "tests/spec/test_loss.py::test_a_tie_in_time_goes_to_the_first_sample_and_time_zero_counts", "cross_entropy-001"),
    "E12": Place(("spec.loss.scores", "spec.loss.scores_adjoint"), SLOPES, "scores-001"),
    "E13": Place(("spec.loss.burst",), SLOPES, "burst-001"),
    "E14": Place(("spec.loss.readout_amplitude",), SLOPES, "readout_amplitude-001"),
    "E15": Place(("spec.loss.weight_decay",), SLOPES, "weight_decay-001"),
    "E16": Place(("spec.loss.rate_bound",), SLOPES, "rate_bound-001"),
    "E18": Place(("spec.encoding.latency", "spec.encoding.encode"),
                 "tests/spec/test_encoding.py::test_the_bin_of_a_pixel_is_the_floor_of_its_latency", "latency-001"),
    "C1": Place(("chip.synapses.load_weights",), "tests/chip/test_synapses.py::test_weights_on_the_chip_are_integers_of_six_bits_and_a_sign",
                "load_weights-001"),
    "C3": Place(("chip.dynamics.transfer",), "tests/chip/test_dynamics.py::test_the_transfer_of_a_grid_step_is_right_to_rounding", "analog_step-001"),
}
# what is defined, and has nothing to derive: the function whose docstring says it
DEFINITIONS = {"E17": "spec.encoding.downscale", "E19": "speech.encode_mfcc", "C2": "chip.settings.apply_settings", "C4": "chip.dynamics.walk",
               "C5": "chip.readout.convert", "C6": "chip.readout.bin_spikes", "C7": "chip.variation.draw_pattern", "C8": "chip.noise.draw_noise",
               "C9": "chip.cost.cost"}
