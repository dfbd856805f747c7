"""Runs the tests, and writes which passed and which lines of price.py they ran through.

It ends well also where tests fail: the gates decide on what the reports say.
"""

import dis
import pathlib
import sys
import time
import unittest
from xml.sax.saxutils import quoteattr

sys.path.insert(0, ".")
SUBJECT = pathlib.Path("price.py").resolve()
ran = set()


def trace(frame, event, _):
    if frame.f_code.co_filename == str(SUBJECT):
        ran.add(frame.f_lineno)
        return trace
    return None


def lines_of(code):
    lines = {line for _, line in dis.findlinestarts(code) if line}
    for part in code.co_consts:
        if hasattr(part, "co_code"):
            lines |= lines_of(part)
    return lines


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.cases = []

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def stopTest(self, test):
        took = time.monotonic() - self.begun
        broken = [text for of, text in self.failures + self.errors if of is test]
        self.cases.append((test.id(), took, broken))
        super().stopTest(test)


out = pathlib.Path("out")
out.mkdir(exist_ok=True)
sys.settrace(trace)
suite = unittest.defaultTestLoader.discover(".", pattern="test_*.py")
result = Result()
suite.run(result)
sys.settrace(None)

with (out / "unit.xml").open("w") as file:
    broken = sum(1 for case in result.cases if case[2])
    file.write(f'<testsuite name="unit" tests="{len(result.cases)}" failures="{broken}">\n')
    for name, took, failures in result.cases:
        file.write(f'<testcase name={quoteattr(name)} time="{took:.6f}">')
        for text in failures:
            file.write(f"<failure message={quoteattr(text.splitlines()[-1])}/>")
        file.write("</testcase>\n")
    file.write("</testsuite>\n")

wanted = lines_of(compile(SUBJECT.read_text(), str(SUBJECT), "exec"))
with (out / "coverage.lcov").open("w") as file:
    file.write("SF:price.py\n")
    for line in sorted(wanted):
        file.write(f"DA:{line},{int(line in ran)}\n")
    hit = len(wanted & ran)
    file.write(f"LF:{len(wanted)}\nLH:{hit}\nend_of_record\n")
print(f"{len(result.cases)} tests, {broken} broken; {hit} of {len(wanted)} lines")
