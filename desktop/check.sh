#!/usr/bin/env bash
# Whether programs of GdkPixbuf and ImageMagick show flextok pictures:
#   desktop/check.sh PREFIX PROGRAM     the library for C, installed there, and the program flextok
# Nothing of the system is changed.
set -euo pipefail
prefix=$(realpath "$1") program=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { printf 'desktop: %s\n' "$*" >&2; }
fail() {
    say "FAILED: $*"
    exit 1
}

say "the loader is built"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
cp -r desktop "$scratch/desktop"
make --silent -C "$scratch/desktop" clean
make --silent -C "$scratch/desktop" install DESTDIR="$scratch/root" CFLAGS="-O2 -Werror"
loader=$(find "$scratch/root" -name libpixbufloader-flextok.so)
[ "$(nm -D --defined-only "$loader" | awk '{ print $3 }' | xargs)" = "fill_info fill_vtable" ] || fail "other symbols: $(nm -D --defined-only "$loader")"

# A home without anything of the user's, and the types of the system beside ours.
export XDG_DATA_HOME=$scratch/data XDG_CACHE_HOME=$scratch/cache XDG_DATA_DIRS=$scratch/root/usr/share:/usr/share
update-mime-database "$scratch/root/usr/share/mime" >/dev/null 2>&1
export GDK_PIXBUF_MODULE_FILE=$scratch/loaders.cache
"$(pkg-config --variable=gdk_pixbuf_query_loaders gdk-pixbuf-2.0)" "$loader" >"$GDK_PIXBUF_MODULE_FILE"
grep -q '"image/vnd.flextok"' "$GDK_PIXBUF_MODULE_FILE" || fail "the loader is not found: $(cat "$GDK_PIXBUF_MODULE_FILE")"
# PNG is needed to write the thumbnail, where it is a module of its own.
"$(pkg-config --variable=gdk_pixbuf_query_loaders gdk-pixbuf-2.0)" >>"$GDK_PIXBUF_MODULE_FILE" 2>/dev/null

say "thumbnails"
photo=$scratch/photo.flxt
cp capi/sizes/photo-512.flxt "$photo"
head -c 60 "$photo" >"$scratch/cut.flxt"
for file in photo cut; do
    gdk-pixbuf-thumbnailer -s 512 "$scratch/$file.flxt" "$scratch/$file.png"
    "$program" decode -q "$scratch/$file.flxt" -o "$scratch/$file-expected.png"
    convert "$scratch/$file.png" -depth 8 "rgb:$scratch/$file.rgb"
    convert "$scratch/$file-expected.png" -depth 8 "rgb:$scratch/$file-expected.rgb"
    cmp "$scratch/$file.rgb" "$scratch/$file-expected.rgb" || fail "the thumbnail of $file.flxt is another picture"
done
gdk-pixbuf-thumbnailer -s 128 "$photo" "$scratch/small.png"
[ "$(identify -format '%wx%h' "$scratch/small.png")" = 128x96 ] || fail "a thumbnail of another size"
# A flipped bit is no picture, and says so.
{ head -c 300 "$photo"; printf '\377\377'; tail -c +303 "$photo"; } >"$scratch/bad.flxt"
! gdk-pixbuf-thumbnailer -s 128 "$scratch/bad.flxt" "$scratch/bad.png" 2>"$scratch/bad" || fail "a thumbnail of a damaged file"
grep -q 'flextok: corrupt file' "$scratch/bad" || fail "another message: $(cat "$scratch/bad")"

say "ImageMagick"
mkdir "$scratch/magick"
cp desktop/delegates.xml "$scratch/magick"
export MAGICK_CONFIGURE_PATH=$scratch/magick
PATH=$(dirname "$program"):$PATH
convert "$photo" -depth 8 "rgb:$scratch/magick.rgb"
cmp "$scratch/magick.rgb" "$scratch/photo-expected.rgb" || fail "ImageMagick reads another picture"
convert "$scratch/photo.png" "$scratch/made.flxt"
"$program" verify -q --complete "$scratch/made.flxt" || fail "ImageMagick writes no file of ours"
say "all passed"
