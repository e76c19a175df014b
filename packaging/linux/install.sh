#!/bin/sh
# Puts Facet into the menus of this user and opens .facet files with it: ./install.sh, undone by ./install.sh --remove.
# The program stays in this folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share} bin=$HOME/.local/bin
case "${1:-}" in
    "" | --remove) ;;
    *) echo "Usage: ./install.sh [--remove]" >&2; exit 2 ;;
esac

refresh() {
    # Desktops find new files without these, only later.
    if command -v update-mime-database >/dev/null 2>&1; then update-mime-database "$data/mime" || true; fi
    if command -v update-desktop-database >/dev/null 2>&1; then update-desktop-database "$data/applications" || true; fi
}

if [ "${1:-}" = --remove ]; then
    rm -f "$data/applications/facet.desktop" "$data/mime/packages/facet-mime.xml"
    rm -f "$data/icons/hicolor/256x256/apps/facet.png" "$bin/facet" "$bin/Facet"
    refresh
    echo "Facet is out of the menus; delete $here to remove the program."
    exit 0
fi
mkdir -p "$data/applications" "$data/mime/packages" "$data/icons/hicolor/256x256/apps" "$bin"
# In desktop files a path with spaces stands in quotes, and a backslash, quote, $ or % in it is escaped.
path=$(printf '%s' "$here/Facet" | sed -e 's/[\\"`$]/\\\\&/g' -e 's/%/%%/g')
sed -e "s|^Exec=.*|Exec=\"$(printf '%s' "$path" | sed 's/[\\|&]/\\&/g')\" %f|" -e '/^TryExec=/d' \
    "$here/share/facet.desktop" >"$data/applications/facet.desktop"
cp "$here/share/facet-mime.xml" "$data/mime/packages/facet-mime.xml"
cp "$here/share/facet.png" "$data/icons/hicolor/256x256/apps/facet.png"
ln -sf "$here/facet" "$bin/facet"
ln -sf "$here/Facet" "$bin/Facet"
refresh
echo "Facet is in the menus now, and the command is $bin/facet."
