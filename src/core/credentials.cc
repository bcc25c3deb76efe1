// Reads the two files of secrets.
//
// Must never put a value of theirs into an error, for errors are logged; must never take a file
// that others can read, for then its secrets are not secret, or write, for then they are not ours.
#include "credentials.h"

#include "base64.h"
#include "conf_file.h"
#include "conf_value.h"
#include "settings.h"
#include "text.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace proxymap {

namespace {

constexpr std::size_t max_file_bytes = 1U << 20U;
constexpr std::size_t max_secret_bytes = 512;  // as a record's value: both become fields of auth
constexpr std::size_t min_seal_key_bytes = 32; // of HMAC-SHA-256: as long as its hash, RFC 2104, 3

std::string title(const Conf_section &section)
{
    return section.type + " " + section.name;
}

// Tabs separate the fields of Dovecot's auth protocol. (The parser lets no other control pass.)
Result<Done> check_secret_value(const Conf_entry &entry)
{
    if (entry.value.empty())
        return Error{entry.name + " is empty"};
    if (entry.value.size() > max_secret_bytes)
        return Error{entry.name + " has " + std::to_string(entry.value.size()) +
                     " bytes; at most " + std::to_string(max_secret_bytes) + " are allowed"};
    if (entry.value.find('\t') != std::string::npos)
        return Error{entry.name + " holds a tab, which no login can send"};
    return Done{};
}

// The first line of the file.
Result<std::string> read_password(const std::string &name)
{
    Result<std::string> path = parse_file_name(name);
    if (!path)
        return path.error();
    Result<std::string> text = read_file(*path, max_file_bytes, File_access::secret);
    if (!text)
        return text.error();
    text->resize(std::min(text->find('\n'), text->size()));
    if (text->ends_with('\r'))
        text->pop_back();
    if (std::any_of(text->begin(), text->end(), is_control))
        return Error{*path + ": a control character, which no password may hold"};
    return text;
}

Result<Done> set_credential(const Conf_entry &entry, Credential *credential)
{
    if (entry.name == "backends") {
        for (std::string_view name : split_words(entry.value))
            credential->backends.emplace(name);
        // Empty would mean all of them: the opposite of what a list is written for.
        if (credential->backends.empty())
            return Error{"backends names none; leave the setting out to allow all"};
        return Done{};
    }
    if (entry.name == "password_file") {
        Result<std::string> password = read_password(entry.value);
        if (!password)
            return Error{"password_file: " + password.error().message};
        return set_credential({"password", std::move(*password), entry.line}, credential);
    }
    if (entry.name != "master" && entry.name != "password")
        return Error{"unknown setting " + quote(entry.name) +
                     ": allowed are master, password, password_file and backends"};
    if (entry.name == "password" && !credential->password.empty())
        return Error{"password and password_file: remove one of the two"};
    if (Result<Done> done = check_secret_value(entry); !done)
        return done.error();
    (entry.name == "master" ? credential->master : credential->password) = entry.value;
    return Done{};
}

Result<Credential> read_credential(const Conf_section &section, const std::string &path)
{
    Credential credential;
    credential.name = section.name;
    for (const Conf_entry &entry : section.entries) {
        if (Result<Done> done = set_credential(entry, &credential); !done)
            return conf_error(path, entry.line, title(section) + ": " + done.error().message);
    }
    if (credential.password.empty())
        return conf_error(path, section.line, title(section) + " has no password");
    return credential;
}

Result<std::string> parse_seal_key(const Conf_section &section, const std::string &path)
{
    std::string key;
    for (const Conf_entry &entry : section.entries) {
        if (entry.name != "key")
            return conf_error(path, entry.line,
                              title(section) + ": unknown setting " + quote(entry.name) +
                                  ": allowed is key");
        std::optional<std::string> bytes = decode_base64(entry.value);
        if (!bytes)
            return conf_error(path, entry.line,
                              title(section) +
                                  ": key is not base64: write what `openssl rand -base64 32` "
                                  "prints");
        if (bytes->size() < min_seal_key_bytes)
            return conf_error(path, entry.line,
                              title(section) + ": key has " + std::to_string(bytes->size()) +
                                  " bytes; at least " + std::to_string(min_seal_key_bytes) +
                                  " are needed, as `openssl rand -base64 32` prints them");
        key = std::move(*bytes);
    }
    if (key.empty())
        return conf_error(path, section.line, title(section) + " has no key");
    return key;
}

} // namespace

std::vector<Setting_info> credential_settings()
{
    return {{"master", "string", "", "auth", "master user that the proxy logs in as"},
            {"password_file", "string", "", "auth",
             "file with the password in its first line, root's and 0600"},
            {"backends", "list", "", "auth", "backend records that it is for; default: all"}};
}

Result<Done> check_credential_setting(std::string_view name, std::string_view value)
{
    if (name == "password_file") {
        Result<std::string> path = parse_file_name(value);
        return path ? Result<Done>(Done{}) : path.error();
    }
    Credential scratch;
    return set_credential({std::string(name), std::string(value)}, &scratch);
}

Result<Credential> parse_credential(const Conf_section &section, const std::string &path)
{
    if (const Conf_entry *password = section.find("password"))
        return conf_error(path, password->line,
                          title(section) +
                              ": a password does not belong here, where login processes read it "
                              "too: write it to a file of its own, and name that by password_file");
    return read_credential(section, path);
}

Result<Credentials> parse_credentials(std::string_view text, const std::string &path)
{
    Result<Conf_section> file = parse_conf(text, path);
    if (!file)
        return file.error();
    if (!file->entries.empty())
        return conf_error(path, file->entries.front().line,
                          quote(file->entries.front().name) +
                              " stands outside of a section: each credential is a section "
                              "credential NAME { }");
    Credentials credentials;
    for (const Conf_section &section : file->sections) {
        if (section.type != "credential")
            return conf_error(path, section.line,
                              "unknown section " + quote(section.type) +
                                  ": allowed is credential NAME { }");
        Result<Credential> credential = read_credential(section, path);
        if (!credential)
            return credential.error();
        credentials.emplace(section.name, std::move(*credential));
    }
    return credentials;
}

Result<Credentials> read_credentials(const std::string &path)
{
    Result<std::string> text = read_file(path, max_file_bytes, File_access::secret);
    if (!text)
        return text.error();
    return parse_credentials(*text, path);
}

Result<Seal_keys> parse_seal_keys(std::string_view text, const std::string &path)
{
    Result<Conf_section> file = parse_conf(text, path);
    if (!file)
        return file.error();
    Seal_keys keys;
    for (const Conf_section &section : file->sections) {
        if (section.type != "seal_key")
            return conf_error(path, section.line,
                              "unknown section " + quote(section.type) +
                                  ": allowed is seal_key ID { }");
        Result<std::string> key = parse_seal_key(section, path);
        if (!key)
            return key.error();
        keys.keys.emplace(section.name, std::move(*key));
    }
    unsigned current_line = 1;
    for (const Conf_entry &entry : file->entries) {
        if (entry.name != "current")
            return conf_error(path, entry.line,
                              "unknown setting " + quote(entry.name) +
                                  ": allowed outside of sections is current");
        keys.current = entry.value;
        current_line = entry.line;
    }
    if (keys.empty())
        return Error{path + ": no seal key in it: write a section seal_key ID { key = ... }, each "
                            "setting on a line of its own"};
    if (keys.current.empty())
        return Error{path + ": current = ID is missing: it names the key that seals new records"};
    // Not quoted: the admin may have put the key itself here.
    if (!keys.keys.contains(keys.current))
        return conf_error(path, current_line,
                          "current names a key that has no section seal_key in this file");
    return keys;
}

Result<Seal_keys> read_seal_keys(const std::string &path)
{
    Result<std::string> text = read_file(path, max_file_bytes, File_access::secret);
    if (!text)
        return text.error();
    return parse_seal_keys(*text, path);
}

} // namespace proxymap
