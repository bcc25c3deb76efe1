# What run-tests and demo share: packages and the build. Sourced by bash in the project's folder.
# shellcheck shell=bash disable=SC2034 # used by those who source it

# Without it a Ctrl-C is lost when it comes while a command ends by itself.
trap 'exit 130' INT

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

packages_build="build-essential autoconf automake libtool autoconf-archive pkg-config
  dovecot-dev libmemcached-dev liblmdb-dev libssl-dev"
packages_demo="python3 dovecot-core dovecot-imapd dovecot-submissiond memcached curl openssl"
packages_test="libcpputest-dev clang-format man-db python3-pytest python3-pytest-xdist
  dovecot-pop3d dovecot-lmtpd dovecot-managesieved dovecot-sieve dovecot-sqlite
  dovecot-ldap dovecot-auth-lua slapd ldap-utils redis-server sqlite3 iproute2
  dovecot-gssapi krb5-kdc krb5-admin-server krb5-user python3-gssapi"
packages_fuzz="clang libclang-rt-dev"

# Installs those of the named packages that are missing. Their services are not started: the
# tests start servers of their own, and a stranger's machine stays as it was.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    [ "$(id -u)" = 0 ] || die "packages are missing: run it as root, or install ${missing[*]}"
    (
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q -q
        apt-get install -q -q -y --no-install-recommends "${missing[@]}" >/dev/null
    ) || die "apt-get failed"
}

# Full debug information costs as much time as the rest of a compilation, and with sanitizers -O1
# several times that of -Og. This much is enough for a stack trace with lines.
quick="-Og -g1"

# Here and not in the Makefiles: two releases of Debian may share the tree, each with other autotools.
make_configure() {
    if [ ! -x configure ] || [ -n "$(find configure.ac Makefile.am src tests completions conf.d man docs packaging systemd \
        \( -name 'Makefile.*' -o -name configure.ac \) -newer configure -print -quit)" ]; then
        autoreconf --install --force >"$1" 2>&1 || { cat "$1" >&2; die "autoreconf failed"; }
    fi
}

# Builds targets in a build folder of its own: build FOLDER "TARGETS" [configure options].
# Optimized as a user's build is, unless the options say otherwise. Its output is in
# FOLDER/build.log, and on the screen when it fails.
build() {
    local folder=$1 targets=$2 log=$1/build.log
    shift 2
    mkdir -p "$folder"
    (flock 9 && make_configure "$log") 9<configure.ac || exit 1 # not twice at the same time
    if [ ! -f "$folder/Makefile" ]; then
        (cd "$folder" && ../configure --quiet --enable-werror --disable-maintainer-mode CXXFLAGS="-O2 -g1" "$@") >"$log" 2>&1 ||
            { tail -n 20 "$log" >&2; die "configure failed in $folder"; }
    fi
    # shellcheck disable=SC2086 # several targets
    make -C "$folder" -j"$(nproc)" $targets >"$log" 2>&1 || { tail -n 60 "$log" >&2; die "make failed in $folder"; }
}

# The modules alone.
modules="libauthdb_proxymap.la lib10_doveadm_proxymap_plugin.la
  lib10_login_proxy_ext_plugin.la libproxymap_noport.la"

# What installs them; the settings module exists for Dovecot 2.4 alone, and is built when installed.
module_targets="install-authmoduleLTLIBRARIES install-doveadmmoduleLTLIBRARIES
  install-loginmoduleLTLIBRARIES install-settingsmoduleLTLIBRARIES"

# Puts the built modules into FOLDER/stage and prints the folder that holds auth/, doveadm/ and login/.
stage_modules() {
    local folder=$1
    rm -rf "$folder/stage"
    # shellcheck disable=SC2086 # several targets
    make -C "$folder" $module_targets DESTDIR="$PWD/$folder/stage" >"$folder/install.log" 2>&1 ||
        { tail -n 20 "$folder/install.log" >&2; die "make install failed"; }
    printf '%s%s\n' "$PWD/$folder/stage" "$(sed -n 's/^dovecot_moduledir = //p' "$folder/Makefile")"
}
