"""Refuses what does not compile, and lines that are too long."""

import pathlib
import sys

wrong = []
for path in sorted(pathlib.Path(".").rglob("*.py")):
    text = path.read_text()
    try:
        compile(text, str(path), "exec")
    except SyntaxError as error:
        wrong.append(f"{path}:{error.lineno}: {error.msg}")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > 100:
            wrong.append(f"{path}:{number}: longer than 100 characters")
print("\n".join(wrong) or "nothing is wrong")
sys.exit(bool(wrong))
