# Makes a routes file for `doveadm proxymap import` of what another passdb says about users.
#
#   doveadm auth lookup -x service=imap john joe | awk -f routes.awk >routes
#
# It reads what `doveadm auth lookup` prints; or lines of a user's name and fields, with tabs between them:
# john<TAB>proxy=y<TAB>host=192.168.0.1. Each destination becomes a backend's record, and each user's record names it.
# What a record cannot hold is left out, and standard error says so, once for each field.

BEGIN { FS = "\t" }

/^passdb: / { finish(); user = substr($0, 9); next }
/^  [^ ]+ *: / { field = $0; sub(/^ +/, "", field); at = index(field, " : ")
                 value = substr(field, at + 3); field = substr(field, 1, at); sub(/ +$/, "", field); take(field, value); next }
/^  [^ ]+ *$/ { field = $0; gsub(/ /, "", field); take(field, ""); next }
NF > 1 {
    finish()
    user = $1
    for (number = 2; number <= NF; number++) {
        at = index($number, "=")
        if (at) take(substr($number, 1, at - 1), substr($number, at + 1)); else take($number, "")
    }
    finish()
}
END { finish() }

function take(name, value) {
    if (name == "proxy" || name == "proxy_maybe" || name == "nopassword" || name == "user" || name == "original_user" || name == "password")
        return  # proxymap decides these by itself
    if (name == "ssl" || name == "starttls") {
        if (value == "any-cert") tls = name "-any-cert"; else if (value != "no" && tls == "") tls = name
    } else if (value == "") {
        return
    } else if (name == "host" || name == "hostip" || name == "port") {
        where[name] = value
    } else if (name ~ /^(destuser|master|pass|protocol|reason|proxy_timeout|proxy_refresh|proxy_mech|proxy_noauth|proxy_nopipelining|proxy_not_trusted|proxy_host_immediate_failure_after|forward_.+|event_.+|user_.+)$/) {
        fields = fields " " name "=" quoted(value)
    } else if (!(name in told)) {
        told[name] = 1
        print "routes.awk: a record cannot hold the field " name ": it is left out" >"/dev/stderr"
    }
}

function quoted(value) {
    if (value !~ /[ "\\]/) return value
    gsub(/[\\"]/, "\\\\&", value)
    return "\"" value "\""
}

function finish(  name, place) {
    if (user != "") {
        if (!("host" in where)) {
            print "routes.awk: " user " has no host, and gets no record" >"/dev/stderr"
        } else {
            place = "host=" where["host"] ("hostip" in where ? " hostip=" where["hostip"] : "") \
                ("port" in where ? " port=" where["port"] : "") (tls != "" ? " tls=" tls : "")
            if (!(place in backend)) {
                name = where["host"] ("port" in where ? "-" where["port"] : "") (tls != "" ? "-" tls : "")
                gsub(/[^A-Za-z0-9._+@-]/, "-", name)
                name = substr(name, 1, 60)
                while (name in taken) name = name "+"
                taken[name] = 1
                backend[place] = name
                print "backend " name " " place
            }
            print "user " quoted(user) " backend=" backend[place] fields
        }
    }
    user = fields = tls = ""
    split("", where)
}
