"""Looks for keys that somebody left in the sources, and writes what it found as SARIF."""

import json
import pathlib
import re

KEY = re.compile(r"(?i)(secret|password|api_key)\s*=\s*['\"][^'\"]{8,}['\"]")

results = []
for path in sorted(pathlib.Path(".").rglob("*.py")):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if KEY.search(line) and "re.compile" not in line:
            results.append(
                {
                    "ruleId": "key-in-source",
                    "level": "error",
                    "message": {"text": "a key stands in the source"},
                    "properties": {"security-severity": "8.2"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": str(path)},
                                "region": {"startLine": number},
                            }
                        }
                    ],
                }
            )
rule = {"id": "key-in-source", "properties": {"security-severity": "8.2"}}
driver = {"name": "keys", "rules": [rule]}
report = {
    "version": "2.1.0",
    "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
    "runs": [{"tool": {"driver": driver}, "results": results}],
}
out = pathlib.Path("out")
out.mkdir(exist_ok=True)
(out / "scan.sarif").write_text(json.dumps(report))
print(f"{len(results)} keys found")
