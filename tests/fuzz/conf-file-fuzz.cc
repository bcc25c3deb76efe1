// Any bytes at all as a settings file, a file of credentials and one of seal keys: each is refused
// in one sentence on one line, or what came out of it is what the rules allow.
#include "core/conf_file.h"
#include "core/credentials.h"

#include "check.h"

#include <set>

using namespace proxymap;

namespace {

void check_section(const Conf_section &section)
{
    std::set<std::string> names;
    for (const auto &entry : section.entries) {
        fuzz::check(!entry.name.empty() && entry.line > 0, "a setting has a name and a line");
        fuzz::check(names.insert(entry.name).second, "a setting is given once");
        for (const char c : entry.value)
            fuzz::check(c != '\n' && c != '\0', "a value is on one line");
    }
    for (const auto &inner : section.sections) {
        fuzz::check(is_conf_name(inner.name) && !inner.type.empty(), "a section has a name");
        fuzz::check(inner.sections.empty(), "sections are one level deep");
        check_section(inner);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    if (const auto file = parse_conf(text, "file"))
        check_section(*file);
    else
        fuzz::check_error(file.error());

    if (const auto credentials = parse_credentials(text, "file")) {
        for (const auto &[name, credential] : *credentials)
            fuzz::check(is_conf_name(name) && !credential.password.empty(),
                        "a credential has a password");
    } else {
        fuzz::check_error(credentials.error());
    }

    if (const auto keys = parse_seal_keys(text, "file")) {
        fuzz::check(keys->keys.contains(keys->current), "the current key is there");
        for (const auto &[id, key] : keys->keys)
            fuzz::check(key.size() >= 32, "a seal key has 32 bytes");
    } else {
        fuzz::check_error(keys.error());
    }
    return 0;
}
