"""Compiles all mutants in at once, each behind a switch: rewrites sources so that `crate::mutant::at` says which one is on."""

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))


class Unfit(Exception):
    """The mutant would not compile, or cannot be switched on at run time."""


class Source:
    """A file, with the places that cargo-mutants gives: lines and columns from 1, in characters."""

    def __init__(self, text):
        self.bytes = text.encode()
        self.tree = PARSER.parse(self.bytes)
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.encode()) + 1)

    def place(self, place):
        line, column = place["line"] - 1, place["column"] - 1
        return self.starts[line] + len(self.lines[line][:column].encode())

    def span(self, span):
        return self.place(span["start"]), self.place(span["end"])

    def text(self, start, end):
        return self.bytes[start:end].decode()

    def node(self, start, end):
        return self.tree.root_node.descendant_for_byte_range(start, end)


def up(node, *kinds):
    while node is not None and node.type not in kinds:
        node = node.parent
    return node


def edit(source, mutant):
    """Where a mutant goes: the part of the source that has alternatives, the kind of edit, and what stands there instead."""
    start, end = source.span(mutant["span"])
    genre, replacement = mutant["genre"], mutant["replacement"]
    node = source.node(start, end)
    if up(node, "const_item", "static_item") is not None:
        raise Unfit("in a constant, where nothing can be switched")
    if genre == "FnValue":
        function = up(node, "function_item")
        body = function and function.child_by_field_name("body")
        if body is None or not body.start_byte <= start <= body.end_byte:
            raise Unfit("no function")
        return body.start_byte + 1, body.start_byte + 1, "value", f"return {replacement}"
    if genre in ("BinaryOperator", "UnaryOperator"):
        whole = node.parent
        kinds = ("binary_expression", "compound_assignment_expr") if genre == "BinaryOperator" else ("unary_expression",)
        # What tests a pattern can be no part of another expression.
        if whole.type not in kinds:
            raise Unfit("in a chain of patterns")
        # As it would be read in the source: `a && b && c` becomes `a || (b && c)`, and not `(a || b) && c`.
        while whole.type == "binary_expression" and whole.parent.type == "binary_expression":
            whole = whole.parent
        mutated = source.text(whole.start_byte, start) + replacement + source.text(end, whole.end_byte)
        return whole.start_byte, whole.end_byte, "either", mutated
    if genre == "MatchArmGuard":
        return start, end, "either", replacement
    if genre == "MatchArm":
        arm = up(node, "match_arm")
        pattern = arm.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        if guard is None:
            return pattern.end_byte, pattern.end_byte, "no guard", None
        return guard.start_byte, guard.end_byte, "guard", None
    if genre == "StructField":
        whole = up(node, "struct_expression")
        rest = source.bytes[end:whole.end_byte]
        cut = len(rest) - len(rest.lstrip(b" ,\n"))
        mutated = source.text(whole.start_byte, start) + source.text(end + cut, whole.end_byte)
        return whole.start_byte, whole.end_byte, "either", mutated
    raise Unfit(f"{genre} is not known")


# Outer before inner, where they begin and end at the same places.
ORDER = ["value", "no guard", "guard", "either"]


def rewrite(source, edits):
    """The source with the mutants in it, and where each one's code stands there: [(start, end, number)].

    `edits` are (number, (start, end, kind, replacement)).
    """
    groups = {}
    for number, (start, end, kind, replacement) in edits:
        groups.setdefault((start, end, kind), []).append((number, replacement))
    # (place, order, pieces), of which a piece is a text and the mutant that it is of.
    pieces = []
    for (start, end, kind), mutants in groups.items():
        numbers = ", ".join(str(number) for number, _ in mutants)
        on = f"crate::mutant::at(&[{numbers}])"
        alternatives = []
        for number, replacement in mutants:
            alternatives += [(f" {number} => ", None), (f"{{ {replacement} }}", number), ("\n", None)]
        # An insertion stands before what begins in its place, and after what ends there.
        before, after = (start, 1, -end, ORDER.index(kind)), (end, 0, -start, -ORDER.index(kind))
        if kind == "value":
            pieces.append((before, [(f" match {on} {{\n", None), *alternatives, (" _ => {} }", None)]))
        elif kind == "no guard":
            pieces.append((before, [(f" if {on} == 0 ", mutants[0][0])]))
        elif kind == "guard":
            pieces.append((before, [(f"{on} == 0 && (", mutants[0][0])]))
            pieces.append((after, [(")", None)]))
        else:
            pieces.append((before, [(f"(match {on} {{\n", None), *alternatives, (" _ => { ", None)]))
            pieces.append((after, [(" } })", None)]))
    pieces.sort(key=lambda piece: piece[0])
    output, places, done = bytearray(), [], 0
    for (place, *_), texts in pieces:
        output += source.bytes[done:place]
        done = place
        for text, number in texts:
            start = len(output)
            output += text.encode()
            if number is not None:
                places.append((start, len(output), number))
    return bytes(output + source.bytes[done:]), places
