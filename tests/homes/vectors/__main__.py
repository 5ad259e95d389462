from __future__ import annotations

import json

from tests.homes.vectors import FILE, made

table = made()
rows = ",\n".join(json.dumps(v) for v in table.pop("vectors"))
FILE.write_text(f'{json.dumps(table, indent=1)[:-2]},\n "vectors": [\n{rows}\n]}}\n', encoding="utf-8")
