"""The check finds a cycle that was made for it, and none where there is none."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import module_cycles  # noqa: E402


def found(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            file = Path(folder) / "src" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return "\n".join(module_cycles.cycles(folder)).replace(folder, "")


LIB = "pub mod a;\nmod b;\nmod c;\n"


class Cycles(unittest.TestCase):
    def test_a_cycle_of_three_is_named_with_its_files(self):
        said = found({
            "lib.rs": LIB,
            "a.rs": "use crate::{b::{self, B}, std::x};",
            "b.rs": "fn f() { super::c::g() }",
            "c.rs": "use std::fmt;\npub(crate) use super::{\n    a::A as Other,\n};",
        })
        self.assertIn("cycle among a, b, c", said)
        for file in ("a uses b: /src/a.rs", "b uses c: /src/b.rs", "c uses a: /src/c.rs"):
            self.assertIn(file, said)

    def test_a_cycle_through_folders(self):
        said = found({
            "lib.rs": LIB,
            "a.rs": "mod inner;",
            "a/inner.rs": "use crate::b::deep::D;",
            "b/mod.rs": "mod deep;",
            "b/deep.rs": "use crate::a::inner::I;",
            "c.rs": "",
        })
        self.assertIn("cycle among a, b", said)
        self.assertIn("/src/a/inner.rs", said)

    def test_a_cycle_within_a_folder(self):
        said = found({
            "lib.rs": "mod a;",
            "a.rs": "mod x;\nmod y;\nuse x::X;",
            "a/x.rs": "use super::y::Y;",
            "a/y.rs": "use crate::a::x::X;",
        })
        self.assertIn("crate::a: cycle among x, y", said)

    def test_what_points_one_way_is_none(self):
        said = found({
            "lib.rs": LIB,
            "a.rs": "mod child;\nuse child::C;\nuse crate::b::B;",
            "a/child.rs": "use super::Parent;\nuse crate::c::C;",
            "b.rs": "// use crate::a::A;\nconst TEXT: &str = \"crate::a::A\";\nuse crate::c::C;",
            "c.rs": "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n    fn f() { { } }\n}\n",
        })
        self.assertEqual(said, "")


if __name__ == "__main__":
    unittest.main()
