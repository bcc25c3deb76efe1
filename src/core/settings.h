// Every setting once: name, type, default, unit, help. The readers (the .conf.ext file of Dovecot
// 2.3, the native settings of 2.4), the man page and the sample are checked against this list.
#pragma once

#include "conf_file.h"
#include "field.h"
#include "record.h"
#include "result.h"
#include "source_pool.h"
#include "tls_policy.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

enum class Verify : std::uint8_t { backend, map, none };
enum class Lmtp_missing : std::uint8_t { tempfail, local };

// One word of the setting `stores`.
struct Store_address {
    enum class Type : std::uint8_t { lmdb, memcached } type;
    std::string host;         // memcached over TCP: name or IP
    std::uint16_t port = 0;   // memcached over TCP
    std::string path;         // unix socket, empty for TCP; LMDB: the table's folder
    std::string text() const; // as the admin writes it
    bool operator==(const Store_address &) const = default;
};

// One word of the setting `proxies`: a login proxy of the fleet, and where its doveadm listens.
struct Proxy_address {
    std::string name;         // as its own setting proxy_name says
    std::string host;         // doveadm's TCP listener: name or IP
    std::uint16_t port = 0;   // 0: doveadm_port of Dovecot's configuration
    std::string path;         // or its unix socket
    std::string text() const; // as the admin writes it
    bool has_address() const { return !host.empty() || !path.empty(); }
    bool operator==(const Proxy_address &) const = default;
};

// As made, each is the default that setting_list() names.
struct Settings {
    std::string path; // the file these came from
    // the map
    std::string name_space = "pm";
    std::string table = "/var/lib/dovecot-proxymap"; // folder of the LMDB table
    std::vector<Store_address> stores = {{Store_address::Type::lmdb, {}, 0, {}}};
    Key_case key_case = Key_case::lower;
    std::uint64_t table_max_size = 1ULL << 30U; // bytes of address space for the LMDB map
    std::string seal_keys_file;
    bool require_seal = false;
    // the fleet
    std::string proxy_name; // empty: the host's name
    std::vector<Proxy_address> proxies;
    // logins
    Verify verify = Verify::backend;
    std::set<Service> backend_services = {Service::imap, Service::pop3, Service::submission,
                                          Service::sieve, Service::lmtp};
    Lmtp_missing lmtp_missing = Lmtp_missing::tempfail;
    std::set<Field_id> allow_fields;
    std::string credentials_file;
    std::string default_credential;
    std::string default_tls = "no";
    std::string default_tls_policy;
    std::string default_source_pool;
    // times, all in milliseconds
    std::uint32_t lookup_timeout = 500;
    std::uint64_t cache_ttl = 3600'000;
    std::uint64_t cache_negative_ttl = 10'000;
    std::uint64_t cache_stale_ttl = 86'400'000;
    std::uint32_t breaker_pause = 1000;
    // limits
    std::uint64_t cache_size = 64ULL << 20U; // bytes
    std::uint32_t breaker_failures = 3;
    // sections, in the order of the file
    std::vector<Tls_policy> tls_policies;
    std::vector<Source_pool> source_pools;
    std::vector<Conf_section> credentials; // unread: they name secrets (read_configuration())

    bool operator==(const Settings &) const = default;
    const Tls_policy *find_tls_policy(std::string_view wanted) const;   // null when there is none
    const Source_pool *find_source_pool(std::string_view wanted) const; // null when there is none
};

// One line of documentation for each setting; the order is the manual's.
struct Setting_info {
    std::string_view name;
    std::string_view type;          // size | time | number | bool | string | list | one of: a | b
    std::string_view default_value; // as one would write it
    std::string_view used_by;       // auth | tool | login (comma-separated)
    std::string_view help;          // one sentence
};
const std::vector<Setting_info> &setting_list();

// What a reader has understood of the settings, whichever syntax they stand in: settings outside of
// sections, and sections tls_policy, source_pool and credential, all by the names of the lists
// here. path: what errors begin with.
Result<Settings> make_settings(const Conf_section &file, const std::string &path);

// Text of a settings file. Every error is "path:line: ..." and says what is allowed.
Result<Settings> parse_settings(std::string_view text, const std::string &path);
Result<Settings> read_settings(const std::string &path);

// "500ms", "10s", "5m", "1h", "1d"; a bare number is refused except 0. Milliseconds.
Result<std::uint64_t> parse_time(std::string_view text);
// "64M", "1G", "4096" (bytes), "512k".
Result<std::uint64_t> parse_size(std::string_view text);
// "lmdb" (without its path, which is the setting `table`), "memcached:HOST:PORT",
// "memcached:[IPv6]:PORT", "memcached:/path/to/socket".
Result<Store_address> parse_store_address(std::string_view word);
// "NAME", "NAME=HOST", "NAME=HOST:PORT", "NAME=[IPv6]", "NAME=[IPv6]:PORT", "NAME=/path/to/socket".
Result<Proxy_address> parse_proxy_address(std::string_view word);

} // namespace proxymap
