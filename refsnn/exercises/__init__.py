"""The classroom: derive it by hand, write it, and be told at once what is wrong and why. `refsnn exercises`, `refsnn explain`, `refsnn show`.

    exercise.py    what an exercise is; stub, solution and wrong answers, all made of the library's own source
    tasks.py       functions for exercises that the library has nowhere else
    catalogue/     the exercises: tasks, hints, known mistakes
    pupil.py       a student's file as the subject of a check: the library with the student's functions in it
    child.py       the process in which it runs
    paper.py       cases for paper
    checker.py     is it right; what is wrong
    report.py      the answer as text and as JSON
    show.py        one image on its way through the system, as numbers and as text
    figures.py     the same, and three teaching pictures, drawn (matplotlib)
    derivation/    from the differential equations to the gradient, every formula tied to a test
    commands.py    the verbs

Nothing else imports this room.
"""
