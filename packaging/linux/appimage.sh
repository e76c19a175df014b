#!/usr/bin/env bash
# Makes an AppDir of a built bundle, and of that an AppImage where appimagetool is installed:
# packaging/linux/appimage.sh BUNDLE FOLDER
set -euo pipefail
if [ $# -ne 2 ] || [ ! -x "$1/facet" ]; then
    echo "Usage: packaging/linux/appimage.sh BUNDLE FOLDER" >&2
    exit 2
fi
bundle=$(cd "$1" && pwd)
mkdir -p "$2"
folder=$(cd "$2" && pwd)
app="$folder/Facet.AppDir"
rm -rf "$app"
mkdir -p "$app/usr/lib" "$app/usr/share/mime/packages"
# The same files under another name cost no room; where that is not possible they are copied.
cp -al "$bundle" "$app/usr/lib/facet" 2>/dev/null || { rm -rf "$app/usr/lib/facet"; cp -a "$bundle" "$app/usr/lib/facet"; }
sed -e '/^TryExec=/d' "$bundle/share/facet.desktop" >"$app/facet.desktop"
cp "$bundle/share/facet.png" "$app/facet.png"
ln -s facet.png "$app/.DirIcon"
cp "$bundle/share/facet-mime.xml" "$app/usr/share/mime/packages/facet-mime.xml"
cat >"$app/AppRun" <<'RUN'
#!/bin/sh
# The window; with `--command WORDS…` the command line.
here=$(dirname "$(readlink -f "$0")")
if [ "${1:-}" = --command ]; then
    shift
    exec "$here/usr/lib/facet/facet" "$@"
fi
exec "$here/usr/lib/facet/Facet" "$@"
RUN
chmod +x "$app/AppRun"
if command -v appimagetool >/dev/null 2>&1; then
    ARCH=$(uname -m) appimagetool "$app" "$folder/Facet-$(uname -m).AppImage"
else
    echo "$app is ready; with appimagetool installed this script makes the AppImage of it."
fi
