"""The blocks of configuration in doc/, for tests that run them as they stand there."""

import re
from pathlib import Path


class Document:
    """One of the documents. A block has a language and begins with a comment, whose first word is
    its title."""

    def __init__(self, env, name):
        self.text = (Path(env.srcdir) / "doc" / f"{name}.md").read_text("utf-8")
        found = re.findall(r"^```(\w+)\n(?:#|--) (\w+)(?::[^\n]*)?\n(.*?)^```$", self.text,
                           re.MULTILINE | re.DOTALL)
        self.blocks = {(language, title): block for language, title, block in found}

    def block(self, language, title, replacements=None):
        """The text of a block where each key of `replacements`, which must stand there once, has
        become its value."""
        text = self.blocks[language, title]
        for old, new in (replacements or {}).items():
            assert text.count(old) == 1, (language, title, old)
            text = text.replace(old, str(new))
        return text

    def assert_blocks(self, expected):
        """These are all of them: (language, title)."""
        assert set(self.blocks) == expected
        assert self.text.count("```") == 2 * len(expected)
