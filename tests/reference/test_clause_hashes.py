"""When the text of a clause changes, somebody looks at its checks again.

The hashes of all clauses are kept in clause_hashes.json. After a look at the checks of what changed,

    python tests/reference/test_clause_hashes.py

writes them anew.
"""

import json
from pathlib import Path

from lm_reference.page import pages

FILE = Path(__file__).with_name("clause_hashes.json")


def hashes():
    return {clause.id: clause.hash for page in pages().values() for clause in page.clauses.values()}


def test_the_text_of_every_clause_is_the_one_that_its_checks_were_written_for():
    kept, now = json.loads(FILE.read_text(encoding="utf-8")), hashes()

    changed = [name for name in sorted(kept.keys() | now.keys()) if kept.get(name) != now.get(name)]
    assert not changed, (
        f"Clauses were changed, added or removed: {', '.join(changed)}. Look at their checks again "
        "(`lm-conformance show CLAUSE` lists them), then run `python tests/reference/test_clause_hashes.py`."
    )


if __name__ == "__main__":
    FILE.write_text(json.dumps(hashes(), indent=0) + "\n", encoding="utf-8")
