#!/bin/bash
# Installs what some tests need of the system, where it is missing: libOSMesa, which MuJoCo renders with where there is
# no GPU, and a browser for the tests of pages. Without them those tests skip and say so.
set -u
missing=()
/sbin/ldconfig -p 2>/dev/null | grep -q libOSMesa || missing+=(libosmesa6)
command -v chromium chromium-browser google-chrome >/dev/null || missing+=(chromium)
[ ${#missing[@]} = 0 ] && exit 0
exec 9>"${TMPDIR:-/tmp}/selcon_ros_apt_$(id -u).lock"  # make_venv.sh may use apt-get at the same time
flock 9
if [ "$(id -u)" = 0 ]; then root=""; else root="sudo -n"; fi
command -v apt-get >/dev/null && $root apt-get update -qq
for name in "${missing[@]}"; do
    # One by one: on Ubuntu, chromium is no package of apt's.
    command -v apt-get >/dev/null && $root apt-get install -y -qq --no-install-recommends "$name" && continue
    echo "$name is missing and could not be installed: tests that need it will skip. As root: apt-get install $name" >&2
done
exit 0
