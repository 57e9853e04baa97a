"""The derivation's pages: as text for the terminal, as one HTML file with formulas; and which page belongs to a name."""

import html
import re
import textwrap

from refsnn.errors import RangeError
from refsnn.exercises.catalogue import EXERCISES
from refsnn.exercises.derivation import TOPICS
from refsnn.exercises.derivation.formula import as_mathml, as_text
from refsnn.exercises.derivation.topic import DEFINITIONS, PLACES
from refsnn.verify.vectors.archive import shipped
from refsnn.verify.vectors.collection import read_manifest

WIDTH = 100
STYLE = """
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.55 Georgia, serif; color: #222; background: #fff; }
h1, h2 { font-weight: normal; line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem; }
.start { font-style: italic; color: #444; } ol { padding-left: 1.6rem; } li { margin: 0.7rem 0; }
.formulas { display: flex; align-items: center; } .formulas > div { flex: 1; }
math { margin: 0.5rem 0; font-size: 1.1rem; font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", math; } mtd { text-align: left; }
.tag { color: #1b6ca8; font: 0.9rem sans-serif; } .places, nav { font: 0.85rem/1.5 sans-serif; color: #555; } code { font-size: 0.92em; }
a { color: #1b6ca8; text-decoration: none; } figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; } td { padding: 0.1rem 1rem 0.1rem 0; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
"""


def equations_of(topic):
    """The equations that a topic arrives at, in order."""
    return list(dict.fromkeys(step.equation for step in topic.steps if step.equation))


def exercises_of(topic):
    """The numbers of the exercises that belong to a topic."""
    return [number for number, exercise in enumerate(EXERCISES, 1) if exercise.topic == topic.name]


def topics_of(name):
    """The topics that a name belongs to: a topic, an equation, a function or its module, a test, a golden vector, an exercise; else those that speak
    of it. Raises RangeError."""
    name = name.strip()
    if not name:
        raise RangeError("the topic is empty; without one all of the derivation is printed")
    name = name.upper() if re.fullmatch(r"[ec]\d+", name) else name
    by_name = {topic.name: topic for topic in TOPICS}
    exercises = {text: exercise for number, exercise in enumerate(EXERCISES, 1) for text in (str(number), exercise.name)}
    if name in by_name:
        return [by_name[name]]
    if name in exercises:
        return [by_name[exercises[name].topic]]
    wanted = {equation for equation, place in PLACES.items() if name in names_of(equation, place)} | vector_equations(name)
    found = [topic for topic in TOPICS if wanted & set(equations_of(topic))] or [topic for topic in TOPICS if speaks_of(topic, name)]
    if name in DEFINITIONS:
        raise RangeError(f"{name} is a definition, in which nothing is derived; the docstring of refsnn.{DEFINITIONS[name]} has it")
    if not found:
        raise RangeError(f"nothing is derived under {name!r}; there are the topics {', '.join(by_name)}, and the names of equations (E8), functions "
                         "(lif_step), their tests, golden vectors (backward-001) and exercises, and the words of the pages")
    return found


def speaks_of(topic, word):
    """Whether a word, or its plural, stands in the prose or the formulas of a topic."""
    words = [topic.title, topic.start, *(own for step in topic.steps for own in (step.text, *step.formulas))]
    return re.search(rf"\b{re.escape(word)}s?\b", " ".join(words), re.IGNORECASE)


def names_of(equation, place):
    """All names by which an equation can be looked up, but for its vectors."""
    parts = [part for own in place.functions for part in own.split(".")[1:]]
    return {equation, place.test, place.test.split("::")[1], *place.functions, *parts}


def vector_equations(id):
    """The equations of any golden vector: those of the operation it belongs to; none where there is no such vector."""
    if id not in read_manifest(shipped())["cases"]:
        return set()
    op = id.rsplit("-", 1)[0]
    return {equation for equation, place in PLACES.items() if place.vector.rsplit("-", 1)[0] == op}


def topic_text(topic):
    """A topic for the terminal: a list of lines."""
    lines = [topic.title, "=" * len(topic.title), "", *textwrap.wrap(topic.start, WIDTH), ""]
    for number, step in enumerate(topic.steps, 1):
        lines += textwrap.wrap(step.text, WIDTH, initial_indent=f"{number:2}. ", subsequent_indent="    ")
        formulas = [as_text(formula) for formula in step.formulas]
        for formula in formulas:
            lines.append(f"        {formula}" + (f"    ({step.equation})" if step.equation and formula is formulas[-1] else ""))
        lines.append("")
    for equation in equations_of(topic):
        place = PLACES[equation]
        lines += [f"{equation:4} in code  {', '.join(place.functions)}", f"     test     {place.test}", f"     vector   {place.vector}"]
    exercises = exercises_of(topic)
    return lines + ([f"Exercises: {', '.join(f'{number} ({EXERCISES[number - 1].name})' for number in exercises)}"] if exercises else [])


def as_page(topics, pictures):
    """One HTML page: no script, nothing loaded from anywhere; formulas in MathML. pictures: {name of a topic: [(title, SVG)]}."""
    links = " · ".join(f"<a href='#{topic.name}'>{topic.name}</a>" for topic in topics)
    targets = {topic.name: topic.name for topic in topics}
    for topic in reversed(topics):                       # an equation that comes twice: the first place is meant
        targets |= {equation: f"{topic.name}-{equation}" for equation in equations_of(topic)}
    body = "\n".join(topic_html(topic, pictures.get(topic.name, ()), targets) for topic in topics)
    return (f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>\n"
            f"<title>refsnn: the derivation</title><style>{STYLE}</style></head><body>\n<h1>From the differential equations to the gradient</h1>\n"
            f"<nav>{links}</nav>\n{body}\n</body></html>\n")


def prose(text, targets):
    """A text as HTML, in which equations and pages that are on the page are links. targets: {E8 or adjoint: id}."""
    def link(match):
        word = match[2]
        return f"{match[1] or ''}<a href='#{targets[word]}'>{word}</a>" if word in targets else match[0]

    return re.sub(r"(page )?\b([EC]\d+\b|(?<=page )\w+)", link, html.escape(text), flags=re.IGNORECASE)


def topic_html(topic, pictures, targets):
    """A topic as HTML, its pictures after the steps."""
    steps = "\n".join(f"<li>{prose(step.text, targets)}{formulas_html(topic, step)}</li>" for step in topic.steps)
    rows = "\n".join(f"<tr><td id='{topic.name}-{equation}-places'><a href='#{topic.name}-{equation}'>{equation}</a></td>"
                     f"<td><code>{'</code>, <code>'.join(PLACES[equation].functions)}</code></td>"
                     f"<td>{PLACES[equation].test.replace('::', '<br>')}<br>{PLACES[equation].vector}</td></tr>" for equation in equations_of(topic))
    exercises = ", ".join(f"{number} ({EXERCISES[number - 1].name})" for number in exercises_of(topic))
    drawn = "\n".join(f"<figure>{svg}<figcaption class='places'>{html.escape(title)}</figcaption></figure>" for title, svg in pictures)
    return (f"<section id='{topic.name}'><h2>{html.escape(topic.title)}</h2>\n<p class='start'>{prose(topic.start, targets)}</p>\n"
            f"<ol>{steps}</ol>\n{drawn}\n"
            f"<table class='places'>{rows}</table>\n<p class='places'>{'Exercises: ' + exercises if exercises else ''}</p></section>")


def formulas_html(topic, step):
    """The formulas of a step, with the number of the equation beside them, which leads to where it is in code and tests."""
    if not step.formulas:
        return ""
    id = f"{topic.name}-{step.equation}"
    tag = f"<a class='tag' id='{id}' href='#{id}-places'>{step.equation}</a>" if step.equation else ""
    return f"<div class='formulas'><div>{''.join(as_mathml(formula) for formula in step.formulas)}</div>{tag}</div>"
