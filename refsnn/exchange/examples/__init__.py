"""Worked examples of recordings that come from elsewhere.

    brian_in_the_loop.py    a Brian2 simulation as the hardware: its events and samples, as a file, are the trace; trained in the loop
"""
