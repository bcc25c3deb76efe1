// The two files of secrets: local credentials, which the proxy itself logs in with (master user and
// password, or a password alone), and the keys that seal records. In files of their own, root's and
// 0600, read once before privileges drop. They never reach memcached nor a log line, and of the
// credentials no login process sees more than the one that its login needs.
#pragma once

#include "conf_file.h"
#include "result.h"
#include "seal.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

struct Credential {
    std::string name;
    std::string master;                          // master user; may be empty
    std::string password;                        // never empty
    std::set<std::string, std::less<>> backends; // backend record names; empty: all
};

struct Setting_info; // settings.h

using Credentials = std::map<std::string, Credential, std::less<>>;

// The settings of a section, in the order of the manual.
std::vector<Setting_info> credential_settings();
// Whether the value alone is right; opens no file. The error does not say where it stands.
Result<Done> check_credential_setting(std::string_view name, std::string_view value);

// A section `credential NAME { }` that stands in the settings themselves. They are no place for a
// secret, since login processes read them too: it says by password_file where the password is. That
// file is read here, and refused as read_credentials() refuses one.
Result<Credential> parse_credential(const Conf_section &section, const std::string &path);

// Sections `credential NAME { }` with the settings master, password (or password_file) and
// backends, each on a line of its own. No error quotes a value.
Result<Credentials> parse_credentials(std::string_view text, const std::string &path);

// Refuses a file that group or others may read or write, or that is not the owner's (root's, or
// the calling user's).
Result<Credentials> read_credentials(const std::string &path);

// `current = ID` and sections `seal_key ID { }` with the one setting key: at least 32 bytes in
// base64 (RFC 4648, section 4), as `openssl rand -base64 32` prints them.
Result<Seal_keys> parse_seal_keys(std::string_view text, const std::string &path);

// Refuses what read_credentials refuses.
Result<Seal_keys> read_seal_keys(const std::string &path);

} // namespace proxymap
