#!/bin/bash
# Builds the disk image from the frozen app bundle, signed and notarised if there is an identity for it.
#
#   .ci/installer/macos.sh "dist/CRET Desktop.app" OUT
#
# IDENTITY names a "Developer ID Application" certificate in the keychain, PROFILE a stored notarytool profile. Without
# them the bundle is signed ad hoc: it runs on the Mac that built it, elsewhere only after the user allows it.
# Uses macOS' own tools; docs/building.md lists the steps that have been run.
set -euo pipefail

bundle=$1 out=$2
version=$(/usr/libexec/PlistBuddy -c "Print CFBundleShortVersionString" "$bundle/Contents/Info.plist")
image="$out/cret-desktop-$version-macos-$(uname -m).dmg"
mkdir -p "$out"

if [ -n "${IDENTITY:-}" ]; then
    codesign --force --deep --options runtime --timestamp --entitlements "$(dirname "$0")/macos.entitlements" \
        --sign "$IDENTITY" "$bundle"
else
    codesign --force --deep --sign - "$bundle"
fi
codesign --verify --deep --strict "$bundle"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
cp -R "$bundle" "$stage/"
ln -s /Applications "$stage/Applications"
hdiutil create -volname "CRET Desktop" -srcfolder "$stage" -format UDZO -ov "$image"

if [ -n "${IDENTITY:-}" ] && [ -n "${PROFILE:-}" ]; then
    codesign --sign "$IDENTITY" --timestamp "$image"
    xcrun notarytool submit "$image" --keychain-profile "$PROFILE" --wait
    xcrun stapler staple "$image"
fi
echo "$image"
