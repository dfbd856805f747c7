"""Puts together what runs, and says how large it is."""

import json
import pathlib
import shutil

dist, out = pathlib.Path("dist"), pathlib.Path("out")
shutil.rmtree(dist, ignore_errors=True)
dist.mkdir()
out.mkdir(exist_ok=True)
for name in ("server.py", "price.py"):
    shutil.copy(name, dist / name)
size = sum(path.stat().st_size for path in dist.iterdir())
(out / "size.json").write_text(json.dumps({"dist_bytes": size}))
print(f"{size} bytes")
