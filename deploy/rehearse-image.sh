#!/bin/sh
# Runs the build steps of deploy/Dockerfile in an empty folder: what its COPY lines name, and nothing else, must be
# enough to install the project and run its commands.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"

# The first stage only; the second takes its result.
sed -n '/ AS build/,/^$/s/^COPY //p' deploy/Dockerfile | while read -r line; do
    target=${line##* }
    for source in ${line% *}; do
        case $target in
        */) mkdir -p "$work/src/$target" && cp "$source" "$work/src/$target" ;;
        *) mkdir -p "$work/src/$(dirname "$target")" && cp -R "$source" "$work/src/$target" ;;
        esac
    done
done

cd "$work/src"
deploy/install.sh dependencies "$work/esb"
deploy/install.sh project "$work/esb"
cd "$work"
"$work/esb/bin/esb" --help >/dev/null
"$work/esb/bin/python" -m esb_standins --help >/dev/null
"$work/esb/bin/python" -c 'import pathlib, esb_bus; assert str(pathlib.Path(esb_bus.__file__)).startswith("'"$work"'/esb/")'
echo "image rehearsal: the image's steps work; $(du -sh "$work/esb" | cut -f1) installed"
