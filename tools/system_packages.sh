#!/bin/bash
# Installs libOSMesa, which MuJoCo renders with where there is no GPU; without it those tests skip and say so.
set -u
/sbin/ldconfig -p 2>/dev/null | grep -q libOSMesa && exit 0
if [ "$(id -u)" = 0 ]; then root=""; else root="sudo -n"; fi
if command -v apt-get >/dev/null && $root apt-get update -qq && $root apt-get install -y -qq libosmesa6; then exit 0; fi
echo "libosmesa6 is missing and could not be installed: tests that render with MuJoCo will skip." >&2
echo "Install it as root: apt-get install libosmesa6" >&2
