#!/usr/bin/env bash
# A fresh install of aws-sam-translator holds a module that cannot be imported: the one that reads templates.
#
# Package: aws-sam-translator 1.115.0 (PyPI); source https://github.com/aws/serverless-application-model
# Specified: what a package needs to run stands in its `Requires-Dist` (Core metadata specifications of PyPA); what stands
#   under an extra is needed for that extra only.
# Expected: `pip install` brings what each module of the package imports, and `pip check` tells if not.
# Guessed before it was tried, from the imports: `samtranslator.yaml_helper` cannot be imported, all others can.
# Seen: so it is. It imports `yaml`, and PyYAML is required by the extra `dev` only, which is for the package's own tests.
#   `pip check` finds nothing, since nothing is declared. With PyYAML the module reads a template, short forms included.
# Way round: require PyYAML, too.
#
# Output: what `pip check` says; the modules that cannot be imported, and what they lack; the same with PyYAML; a template.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install -q --disable-pip-version-check "$@"; }
install aws-sam-translator==1.115.0 boto3==1.43.106
cat > "$folder/seen.py" <<'PY'
import importlib
import pkgutil
import samtranslator

count = 0
for module in pkgutil.walk_packages(samtranslator.__path__, "samtranslator."):
    try:
        importlib.import_module(module.name)
        count += 1
    except ImportError as error:
        print(f"{module.name}: {error}")
print("others: imported" if count > 50 else f"only {count} imported")
PY
got=$("$folder/venv/bin/pip" check --disable-pip-version-check
    "$folder/venv/bin/python" "$folder/seen.py"
    install pyyaml==6.0.3
    echo "with PyYAML:"
    "$folder/venv/bin/python" "$folder/seen.py"
    "$folder/venv/bin/python" -c 'from samtranslator.yaml_helper import yaml_parse; print(yaml_parse("{Name: !Ref Some}"))')
want="No broken requirements found.
samtranslator.yaml_helper: No module named 'yaml'
others: imported
with PyYAML:
others: imported
{'Name': {'Ref': 'Some'}}"
echo "$got"
[ "$got" = "$want" ] || { echo "this changed: expected"; echo "$want"; exit 1; }
