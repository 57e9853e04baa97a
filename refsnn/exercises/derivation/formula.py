"""A formula, written once: as a Python expression, which a test evaluates; from it the text for the terminal and the MathML for the page.

    written                                   on the page
    lhs == rhs                                an equation
    V[t + 1], V[t, k]                         V with its index
    dL_dV[t], dV_dV[t + 1, t]                 a partial derivative: dL/dV[t], dV[t+1]/dV[t]
    d(U, t)                                   the derivative of a function U by its argument, at t
    integral(lambda s: f(s), a, b)            an integral
    sum(f[t] for t in range(T)), max(..)      a sum, a maximum over t = 0 .. T-1
    a if condition else b                     a distinction of cases
    A @ B, A.T                                products and transposes of matrices

Symbols are those of the code: alpha, lamV, S_below; on the page as the Greek letters and indices that they stand for.
"""

import ast
import html
import re

GREEK = {"alpha": "α", "beta": "β", "theta": "θ", "sigma": "σ′", "kappa": "κ", "tau": "τ", "rho": "ρ", "lam": "λ", "mu": "μ", "Phi": "Φ",
         "delta": "δ"}
ADJOINTS = ("lamV", "lamI", "lamS", "muV", "muI", "muS", "gV", "gS")             # written with V, I, S below the line
FUNCTIONS = {"log": "ln"}
COMPARED = {ast.Eq: "=", ast.Gt: ">", ast.LtE: "≤", ast.Lt: "<", ast.GtE: "≥"}
ASCII = {"≤": "<=", "≥": ">="}
STRENGTH = {ast.Compare: 0, ast.IfExp: 0, ast.Add: 1, ast.Sub: 1, ast.USub: 2, ast.Mult: 2, ast.MatMult: 2, ast.Div: 2, ast.Pow: 4}
ATOM = 5
GAP = "<mspace width='0.2em'/>"
DERIVATIVE = re.compile(r"d([A-Za-z]+(?:_[a-z]+)?)_d([A-Za-z]+(?:_[a-z]+)?)")


def parsed(formula):
    """The tree of a formula."""
    return ast.parse(formula, mode="eval").body


def strength(node):
    """How strongly the outermost operation of a tree binds."""
    return STRENGTH.get(type(getattr(node, "op", node)), ATOM)


def bound(call):
    """(variable, first, last, body) of sum(body for variable in range(first, last + 1)), as trees; first None for a sum over all."""
    generator, = call.args[0].generators
    limits = generator.iter.args
    first = limits[0] if len(limits) == 2 else ast.Constant(0)
    return generator.target, first, minus_one(limits[-1]), call.args[0].elt


def minus_one(node):
    """The tree of node - 1, in its shortest form."""
    if isinstance(node, ast.Constant):
        return ast.Constant(node.value - 1)
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and isinstance(node.op, (ast.Add, ast.Sub)):
        number = node.right.value * (1 if isinstance(node.op, ast.Add) else -1) - 1
        return node.left if number == 0 else ast.BinOp(node.left, ast.Add() if number > 0 else ast.Sub(), ast.Constant(abs(number)))
    return ast.BinOp(node, ast.Sub(), ast.Constant(1))


def indices(node):
    """The indices of a subscript, as trees."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


class Writer:
    """What text and MathML have in common: a tree in, the method of its kind called."""

    def write(self, node, weakest=0):
        """A tree as text, in brackets where it binds less than `weakest`."""
        written = getattr(self, type(node).__name__.lower())(node)
        return self.brackets(written) if strength(node) < weakest else written

    def compare(self, node):
        """A chain of comparisons."""
        parts = [self.write(node.left, 1)]
        for op, right in zip(node.ops, node.comparators):
            parts += [self.sign(COMPARED[type(op)]), self.write(right, 1 if not isinstance(right, ast.IfExp) else 0)]
        return self.joined(parts)

    def unaryop(self, node):
        """A minus sign."""
        return self.minus(self.write(node.operand, 2))

    def call(self, node):
        """A function with its arguments, or one of those that have a form of their own."""
        name = node.func.id
        if name in ("sum", "max", "mean") and isinstance(node.args[0], ast.GeneratorExp):
            variable, first, last, body = bound(node)
            return self.over(name, variable.id, self.write(first), self.write(last), self.write(body, 2))
        if name == "integral":
            function, low, high = node.args
            return self.integral(self.write(function.body, 2), function.args.args[0].arg, self.write(low), self.write(high))
        if name == "d":
            return self.derivative(self.write(node.args[0]), self.write(node.args[1]), "d")
        if name == "abs":
            return self.modulus(self.write(node.args[0]))
        return self.function(name, [self.write(own) for own in node.args])

    def subscript(self, node):
        """A symbol with indices; a derivative has those of what is above first."""
        name, own = node.value.id, [self.write(index) for index in indices(node)]
        found = DERIVATIVE.fullmatch(name)
        if not found:
            return self.indexed(self.symbol(name), own)
        above, below = map(self.symbol, found.groups())
        if len(own) == 1:
            return self.derivative(above, self.indexed(below, own))
        return self.derivative(self.indexed(above, own[:1]), self.indexed(below, own[1:]))

    def name(self, node):
        """A symbol, or a derivative without an index."""
        found = DERIVATIVE.fullmatch(node.id)
        return self.derivative(*map(self.symbol, found.groups())) if found else self.symbol(node.id)

    def constant(self, node):
        """A number."""
        return self.number(f"{node.value:g}")

    def attribute(self, node):
        """A transpose."""
        return self.power(self.write(node.value, ATOM), self.transposed)


class Text(Writer):
    """Formulas for the terminal, in ASCII."""

    transposed = "T"

    def brackets(self, text):
        """In brackets."""
        return f"({text})"

    def joined(self, parts):
        """Side by side."""
        return " ".join(parts)

    def sign(self, text):
        """A sign of comparison."""
        return ASCII.get(text, text)

    def minus(self, text):
        """With a minus sign."""
        return f"-{text}"

    def symbol(self, name):
        """A symbol as the code has it."""
        return "sigma'" if name == "sigma" else name

    def number(self, text):
        """A number."""
        return text

    def indexed(self, symbol, own):
        """With its index."""
        return f"{symbol}[{', '.join(index.replace(' ', '') for index in own)}]"

    def power(self, base, exponent):
        """With an exponent."""
        return f"{base}^{exponent}"

    def binop(self, node):
        """Sums, products, quotients, powers."""
        own, kind = strength(node), type(node.op)
        if kind is ast.Pow:
            return self.power(self.write(node.left, ATOM), self.write(node.right, ATOM))
        sign = {ast.Add: " + ", ast.Sub: " - ", ast.Div: " / "}.get(kind, " ")
        return self.write(node.left, own) + sign + self.write(node.right, own + (kind in (ast.Sub, ast.Div)))

    def ifexp(self, node):
        """A distinction of cases."""
        return f"{self.write(node.body, 1)} if {self.write(node.test)}, else {self.write(node.orelse, 0)}"

    def function(self, name, arguments):
        """A function and its arguments."""
        return f"{FUNCTIONS.get(name, self.symbol(name))}({', '.join(arguments)})"

    def over(self, name, variable, first, last, body):
        """A sum, maximum or mean."""
        return f"{name} over {variable} = {first} .. {last} of {body}"

    def integral(self, body, variable, low, high):
        """An integral."""
        return f"integral over {variable} = {low} .. {high} of {body}"

    def derivative(self, above, below, sign=""):
        """A derivative; the sign is that of the page."""
        return f"d{above}/d{below}"

    def modulus(self, text):
        """Bars."""
        return f"|{text}|"


class MathML(Writer):
    """Formulas for a page, as presentation MathML without its outer element."""

    transposed = "<mi>⊤</mi>"

    def brackets(self, text):
        """In brackets, but for a distinction of cases, which has its brace."""
        stretchy = "true" if "<mfrac" in text or "<munderover" in text else "false"
        return text if "<mtable" in text else f"<mrow><mo stretchy='{stretchy}'>(</mo>{text}<mo stretchy='{stretchy}'>)</mo></mrow>"

    def joined(self, parts):
        """Side by side."""
        return "".join(parts)

    def sign(self, text):
        """A sign of comparison."""
        return f"<mo>{html.escape(text)}</mo>"

    def minus(self, text):
        """With a minus sign."""
        return f"<mrow><mo form='prefix'>−</mo>{text}</mrow>"

    def symbol(self, name):
        """A symbol: Greek where it stands for that, what follows an underline below the line."""
        base, _, below = name.partition("_")
        if base in ADJOINTS:
            base, below = base[:-1], " ".join([base[-1], below]).strip()
        letter = f"<mi>{GREEK.get(base, base)}</mi>"
        return f"<msub>{letter}<mi mathvariant='normal'>{below}</mi></msub>" if below else letter

    def number(self, text):
        """A number."""
        return f"<mn>{text}</mn>"

    def indexed(self, symbol, own):
        """With its index, in square brackets: a time is no subscript here."""
        return f"<mrow>{symbol}<mo stretchy='false'>[</mo>{'<mo>,</mo>'.join(own)}<mo stretchy='false'>]</mo></mrow>"

    def power(self, base, exponent):
        """With an exponent."""
        return f"<msup>{base}<mrow>{exponent}</mrow></msup>"

    def binop(self, node):
        """Sums, products, fractions, powers."""
        own, kind = strength(node), type(node.op)
        if kind is ast.Div:
            return f"<mfrac><mrow>{self.write(node.left)}</mrow><mrow>{self.write(node.right)}</mrow></mfrac>"
        if kind is ast.Pow:
            return self.power(self.write(node.left, ATOM), self.write(node.right))
        sign = {ast.Add: "<mo>+</mo>", ast.Sub: "<mo>−</mo>"}.get(kind, GAP)
        return f"<mrow>{self.write(node.left, own)}{sign}{self.write(node.right, own + (kind is ast.Sub))}</mrow>"

    def ifexp(self, node):
        """A distinction of cases, one a line."""
        rows = [(self.write(node.body), f"<mtext>if&#160;</mtext>{self.write(node.test)}"), (self.write(node.orelse), "<mtext>else</mtext>")]
        table = "".join(f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>" for value, when in rows)
        return f"<mrow><mo>{{</mo><mtable>{table}</mtable></mrow>"

    def function(self, name, arguments):
        """A function and its arguments; exp as a power of e."""
        if name == "exp":
            return self.power("<mi>e</mi>", arguments[0])
        inner = "<mo>,</mo>".join(arguments)
        stretchy = "true" if "<mfrac" in inner or "<munderover" in inner else "false"
        return f"<mrow>{self.symbol(FUNCTIONS.get(name, name))}<mo stretchy='{stretchy}'>(</mo>{inner}<mo stretchy='{stretchy}'>)</mo></mrow>"

    def over(self, name, variable, first, last, body):
        """A sum, maximum or mean, with its limits."""
        sign = {"sum": "<mo>∑</mo>", "max": "<mi>max</mi>", "mean": "<mi>mean</mi>"}[name]
        low = f"<mrow><mi>{variable}</mi><mo>=</mo>{first}</mrow>"
        return f"<mrow><munderover>{sign}{low}<mrow>{last}</mrow></munderover>{body}</mrow>"

    def integral(self, body, variable, low, high):
        """An integral."""
        limits = f"<mrow>{low}</mrow><mrow>{high}</mrow>"
        return f"<mrow><msubsup><mo>∫</mo>{limits}</msubsup>{body}{GAP}<mi>d</mi><mi>{variable}</mi></mrow>"

    def derivative(self, above, below, sign="∂"):
        """A derivative as a fraction."""
        return f"<mfrac><mrow><mi>{sign}</mi>{above}</mrow><mrow><mi>{sign}</mi>{below}</mrow></mfrac>"

    def modulus(self, text):
        """Bars."""
        return f"<mrow><mo>|</mo>{text}<mo>|</mo></mrow>"


def as_text(formula):
    """A formula for the terminal.

    >>> as_text("lamV[t] == gV[t] + sigma(V[t])*lamS[t] + beta*lamV[t + 1]")
    "lamV[t] = gV[t] + sigma'(V[t]) lamS[t] + beta lamV[t+1]"
    """
    return Text().write(parsed(formula))


def as_mathml(formula):
    """A formula as a MathML element of its own line.

    >>> as_mathml("a == b/2")[22:]
    '<mi>a</mi><mo>=</mo><mfrac><mrow><mi>b</mi></mrow><mrow><mn>2</mn></mrow></mfrac></math>'
    """
    return f"<math display='block'>{MathML().write(parsed(formula))}</math>"
