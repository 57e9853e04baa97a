"""What comes from elsewhere, and what goes there: networks as NIR graphs, traces as files and as lists of events.

    nir.py          a network as a graph of the Neuromorphic Intermediate Representation, and back (needs the package nir)
    recordings.py   a trace as an .npz; spikes as lists of events (time, unit, sample), and their bins
"""
