"""What the checks in this folder know of Rust sources: what of a file is code, what a `use` names, and which file is which
module. It reads tokens and not types; each check says what it may overlook."""
import re

ITEM = re.compile(r"\b(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+(?:mut\s+)?([A-Za-z_]\w*)")
USE = re.compile(r"(?<![\w:])(pub(?:\s*\([^)]*\))?\s+)?use\s+([^;]+);")
MOD = re.compile(r"((?:#\[[^\]]*\]\s*)*)(?:pub(?:\s*\([^)]*\))?\s+)?\bmod\s+(\w+)\s*;")
LITERAL = re.compile(
    r'''//[^\n]*|/\*.*?\*/|\bb?r(#+)".*?"\1|\bb?r"[^"]*"|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\\n])'(?!\w)''',
    re.S,
)
PATH = re.compile(r"(?<![\w:.])([A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)")


def blank(match):
    """The match as blanks, so that lines keep their numbers."""
    return re.sub(r"[^\n]", " ", match.group())


def code_of(text):
    """The code without comments, the insides of literals, and what only tests see."""
    text = LITERAL.sub(blank, text)
    while found := re.search(r"#\[cfg\(test\)\]", text):
        end = end_of_item(text, found.end())
        text = text[: found.start()] + re.sub(r"[^\n]", " ", text[found.start() : end]) + text[end:]
    return text


def end_of_item(text, start):
    """Where the item that begins at `start` ends: at its semicolon, or at the brace that closes its body."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[place], 0)
        if depth == 0 and text[place] in ";}":
            return place + 1
    return len(text)


def leaves(tree):
    """The paths of a `use` tree with the name that each gets: `a::{b, c as d}` is (a::b, b) and (a::c, d)."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        path, _, name = (part.strip() for part in tree.partition(" as "))
        segments = [segment.strip() for segment in path.split("::") if segment.strip()]
        if len(segments) > 1 and segments[-1] == "self":
            segments.pop()
        if segments:
            yield segments, name or segments[-1]
        return
    prefix = [segment.strip() for segment in tree[:brace].split("::") if segment.strip()]
    depth, part = 0, ""
    for letter in tree[brace + 1 : tree.rindex("}")] + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            for segments, name in leaves(part):
                whole = prefix + segments
                if whole[-1] == "self":
                    whole, name = whole[:-1], name if name != "self" else prefix[-1]
                yield whole, name
            part = ""
        else:
            part += letter


class Module:
    def __init__(self, file, parent, root):
        self.file, self.parent, self.root = file, parent, root or self
        text = file.read_text()
        self.code = code_of(text)
        self.items = set(ITEM.findall(self.code))
        self.children, self.names, self.globs = {}, {}, []
        is_folder = file.name in ("mod.rs", "lib.rs", "main.rs") or parent is None
        folder = file.parent if is_folder else file.parent / file.stem
        for found in MOD.finditer(self.code):
            name = found[2]
            # The code has no literals any more; the text has the path at the same place.
            other = re.search(r'#\[path\s*=\s*"([^"]+)"', text[found.start(1) : found.end(1)])
            places = [file.parent / other[1]] if other else [folder / f"{name}.rs", folder / name / "mod.rs"]
            for place in places:
                if place.exists():
                    self.children[name] = Module(place, self, self.root)
        self.uses = []
        for match in USE.finditer(self.code):
            line = self.code.count("\n", 0, match.start(2)) + 1
            for segments, name in leaves(match[2]):
                self.uses.append((segments, line, bool(match[1])))
                if segments[-1] == "*":
                    self.globs.append(segments[:-1])
                elif name != "_":
                    self.names[name] = segments

    def all(self):
        yield self
        for child in self.children.values():
            yield from child.all()

    def find(self, segments, seen=()):
        """The module that defines what the path names as seen from here, and whether the path names a module."""
        if (self, tuple(segments)) in seen or not segments:
            return None, False
        seen += ((self, tuple(segments)),)
        first, rest = segments[0], segments[1:]
        at = {"crate": self.root, "self": self, "super": self.parent}.get(first)
        if first in ("crate", "self", "super"):
            return (at.below(rest, seen) if at else (None, False))
        return self.below(segments, seen)

    def below(self, segments, seen):
        if not segments:
            return self, True
        first, rest = segments[0], segments[1:]
        if first == "super":
            return self.parent.below(rest, seen) if self.parent else (None, False)
        if first in self.children:
            return self.children[first].below(rest, seen)
        if first in self.items:
            return self, False
        if first in self.names:
            target = self.names[first]
            return self.find(target + rest, seen) if target[0] != first or target[0] in self.children else (None, False)
        for target in self.globs:
            module, is_module = self.find(target, seen)
            if module and is_module:
                found, kind = module.below(segments, seen)
                if found:
                    return found, kind
        return None, False

    def imports(self):
        """Each file that this one imports, with the first line that does and what it names."""
        found = {}

        def note(segments, line):
            module, is_module = self.find(segments)
            if module and module is not self and not is_module:
                found.setdefault(module, (line, "::".join(segments)))

        for segments, line, is_public in self.uses:
            if segments[-1] == "*":
                module, is_module = self.find(segments[:-1])
                if module and module is not self and is_module and not is_public:
                    found.setdefault(module, (line, "::".join(segments)))
            elif not is_public:
                note(segments, line)
        rest = USE.sub(blank, self.code)
        for match in PATH.finditer(rest):
            note(re.split(r"\s*::\s*", match[1]), rest.count("\n", 0, match.start()) + 1)
        return found
