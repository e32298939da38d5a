"""Looks the pinned packages up among known vulnerabilities, and says how many could be looked up.

    python .ci/audit.py

Ends with 1 if one is vulnerable. Where pip-audit or its service is missing, it says so and ends
with 0: a machine without a network must not fail, and nothing must look checked that is not.
"""

import json
import subprocess
import sys

COMMAND = ("-m", "pip_audit", "-r", "constraints.txt", "--no-deps", "--disable-pip", "-f", "json")


def main() -> int:
    """Runs pip-audit on constraints.txt."""
    try:
        ended = subprocess.run(  # noqa: S603
            [sys.executable, *COMMAND], capture_output=True, text=True, check=False, timeout=120
        )
    except subprocess.TimeoutExpired:
        sys.stdout.write("audit: nothing was checked: no answer within two minutes\n")
        return 0
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        sys.stdout.write(f"audit: nothing was checked: {reason}\n")
        return 0
    checked = [one for one in packages if "skip_reason" not in one]
    found = [(one, flaw) for one in checked for flaw in one["vulns"]]
    for one, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version"
        sys.stdout.write(f"{one['name']} {one['version']}: {flaw['id']}, mended in {fixed}\n")
    sys.stdout.write(
        f"audit: {len(found)} known vulnerabilities in {len(checked)} of {len(packages)} packages; "
        f"{len(packages) - len(checked)} could not be looked up\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
