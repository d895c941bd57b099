"""Rules about the repository itself."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ["bencher", "billing", "ingest", "series"]


def tracked(pattern: str) -> list[Path]:
    """Return the tracked files that match, or all there are outside a git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = [ROOT / name for name in listed.stdout.split()]
    return [path for path in found or ROOT.glob(pattern) if path.exists()]


class TestSettings:
    def test_the_example_lists_every_variable(self) -> None:
        code = (ROOT / "bencher/settings.py").read_text()
        read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', code))

        example = (ROOT / ".env.example").read_text()
        listed = set(re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE))

        assert len(read) > 15
        assert listed == read


class TestNames:
    def test_modules_are_named_for_their_job(self) -> None:
        vague = {"services.py", "selectors.py", "utils.py", "helpers.py"}

        assert [path for path in tracked("*.py") if path.name in vague] == []


class TestMigrations:
    def test_import_no_live_code(self) -> None:
        # A manager and a field's default, by their names.
        allowed = {"bencher.tenancy.accounts", "billing.notice_models"}
        for source in SOURCES:
            for path in (ROOT / source).glob("**/migrations/0*.py"):
                tree = ast.parse(path.read_text())
                names = {
                    name
                    for node in ast.walk(tree)
                    for name in (
                        [node.module or ""]
                        if isinstance(node, ast.ImportFrom)
                        else [alias.name for alias in node.names]
                        if isinstance(node, ast.Import)
                        else []
                    )
                }
                ours = {name for name in names if name.split(".")[0] in SOURCES}
                assert ours <= allowed, path


class TestDocuments:
    def test_links_lead_somewhere(self) -> None:
        for page in tracked("*.md"):
            for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
                if not target.startswith(("http:", "https:", "mailto:")):
                    assert (page.parent / target).exists(), f"{page.name}: {target}"
